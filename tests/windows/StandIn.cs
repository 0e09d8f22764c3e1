// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A service that behaves as Access Manager's where backup and restore can notice: it does not start without a configuration
// that is JSON, serves HTTP and TLS by HTTP.sys while Configured is 1, watches its configuration, and has its database open, as
// SQL LocalDB does, a second longer than it runs. Compiled on the server, by the compiler of .NET Framework: C# 5.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Net;
using System.ServiceProcess;
using System.Text;
using System.Threading;
using System.Web.Script.Serialization;
using Microsoft.Win32;

namespace StandIn
{
    public sealed class Service : ServiceBase
    {
        const string BaseKey = @"HKEY_LOCAL_MACHINE\SOFTWARE\Lithnet\Access Manager Service";
        const string Page = "<html><title>Lithnet Access Manager</title>stand-in</html>";

        string config;
        string logs;
        HttpListener site;
        FileSystemWatcher watcher;

        public Service()
        {
            ServiceName = "lithnetams";
            CanShutdown = true;
        }

        public static int Main(string[] arguments)
        {
            bool holds = arguments.Length == 3 && arguments[0] == "--hold";
            if (holds) { Hold(arguments[1], int.Parse(arguments[2], CultureInfo.InvariantCulture)); }
            else { Run(new Service()); }
            return 0;
        }

        protected override void OnStart(string[] arguments)
        {
            config = ((string)Registry.GetValue(BaseKey + @"\Parameters", "ConfigPath", "")).TrimEnd('\\');
            logs = ((string)Registry.GetValue(BaseKey + @"\Parameters", "LogPath", "")).TrimEnd('\\');
            Read("appsettings.json");
            HoldDatabase();
            if (Convert.ToInt32(Registry.GetValue(BaseKey, "Configured", 0), CultureInfo.InvariantCulture) == 1) { Serve(); }
            watcher = new FileSystemWatcher(config) { IncludeSubdirectories = true, EnableRaisingEvents = true };
            Note("started");
        }

        protected override void OnStop()
        {
            if (site != null) { site.Close(); }
            watcher.Dispose();
            Note("stopped");
        }

        protected override void OnShutdown()
        {
            OnStop();
        }

        IDictionary<string, object> Read(string name)
        {
            JavaScriptSerializer serializer = new JavaScriptSerializer { MaxJsonLength = int.MaxValue };
            return serializer.Deserialize<Dictionary<string, object>>(File.ReadAllText(Path.Combine(config, name)));
        }

        void Serve()
        {
            IDictionary<string, object> hosting = (IDictionary<string, object>)Read("apphost.json")["Hosting"];
            IDictionary<string, object> web = (IDictionary<string, object>)hosting["HttpSys"];
            site = new HttpListener();
            site.Prefixes.Add("http://+:" + web["HttpPort"] + "/");
            site.Prefixes.Add("https://+:" + web["HttpsPort"] + "/");
            site.Start();
            site.BeginGetContext(Answer, site);
        }

        static void Answer(IAsyncResult result)
        {
            HttpListener listener = (HttpListener)result.AsyncState;
            try
            {
                HttpListenerContext context = listener.EndGetContext(result);
                listener.BeginGetContext(Answer, listener);
                byte[] page = Encoding.UTF8.GetBytes(Page);
                context.Response.ContentType = "text/html";
                context.Response.Close(page, false);
            }
            catch (HttpListenerException) { Debug.WriteLine("the client or the listener is gone"); }
            catch (ObjectDisposedException) { Debug.WriteLine("the service stops"); }
        }

        void HoldDatabase()
        {
            Process own = Process.GetCurrentProcess();
            string number = own.Id.ToString(CultureInfo.InvariantCulture);
            string arguments = "--hold \"" + config + "\\db\" " + number;
            Process.Start(new ProcessStartInfo(own.MainModule.FileName, arguments) { UseShellExecute = false }).Dispose();
        }

        static void Hold(string folder, int service)
        {
            List<FileStream> held = new List<FileStream>();
            foreach (string file in Directory.GetFiles(folder, "*.?df"))
            {
                held.Add(File.Open(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None));
            }
            try { Process.GetProcessById(service).WaitForExit(); }
            catch (ArgumentException) { Debug.WriteLine("it has ended already"); }
            Thread.Sleep(1000);
            held.ForEach(delegate(FileStream stream) { stream.Dispose(); });
        }

        void Note(string what)
        {
            Directory.CreateDirectory(logs);
            string time = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            File.AppendAllText(Path.Combine(logs, "access-manager-service.log"), time + " " + what + "\r\n");
        }
    }
}
