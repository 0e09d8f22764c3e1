// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// As much of .NET's System.DirectoryServices.Protocols as the scripts for another team use, with a directory in memory: lab hosts
// lack the real one. Its collections are collections here too, since PowerShell takes those apart.
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace System.DirectoryServices.Protocols
{
    public enum DirectoryAttributeOperation { Add, Delete, Replace }
    public enum SearchScope { Base, OneLevel, Subtree }
    public enum ResultCode { Success = 0, NoSuchAttribute = 16, NoSuchObject = 32 }

    public class DirectoryAttribute : CollectionBase
    {
        public string Name { get; set; }
        public int Add(byte[] value) { return List.Add(value); }
        public int Add(string value) { return List.Add(value); }
        public object[] GetValues(Type type) { return List.Cast<object>().ToArray(); }
        public List<byte[]> Bytes()
        {
            return List.Cast<object>().Select(one => one as byte[] ?? Encoding.UTF8.GetBytes((string)one)).ToList();
        }
    }

    public class DirectoryAttributeModification : DirectoryAttribute { public DirectoryAttributeOperation Operation { get; set; } }

    public class DirectoryAttributeModificationCollection : CollectionBase
    {
        public int Add(DirectoryAttributeModification change) { return List.Add(change); }
    }

    public class SearchResultAttributeCollection : DictionaryBase
    {
        public ICollection AttributeNames { get { return Dictionary.Keys; } }
        public DirectoryAttribute this[string name] { get { return (DirectoryAttribute)Dictionary[name.ToLowerInvariant()]; } }
        internal void Put(string name, IEnumerable<byte[]> values)
        {
            var attribute = new DirectoryAttribute { Name = name };
            foreach (var value in values) { attribute.Add(value); }
            Dictionary[name.ToLowerInvariant()] = attribute;
        }
    }

    public class SearchResultEntry
    {
        private readonly SearchResultAttributeCollection attributes = new SearchResultAttributeCollection();
        public SearchResultAttributeCollection Attributes { get { return attributes; } }
    }

    public class SearchResultEntryCollection : ReadOnlyCollectionBase
    {
        public SearchResultEntry this[int index] { get { return (SearchResultEntry)InnerList[index]; } }
        internal void Put(SearchResultEntry entry) { InnerList.Add(entry); }
    }

    public class DirectoryRequest { public string DistinguishedName { get; set; } }

    public class SearchRequest : DirectoryRequest
    {
        public SearchRequest(string entry, string filter, SearchScope scope, params string[] attributes)
        {
            DistinguishedName = entry;
            Attributes = attributes;
        }
        public string[] Attributes { get; private set; }
    }

    public class ModifyRequest : DirectoryRequest
    {
        private readonly DirectoryAttributeModificationCollection changes = new DirectoryAttributeModificationCollection();
        public DirectoryAttributeModificationCollection Modifications { get { return changes; } }
    }

    public class DirectoryResponse { public ResultCode ResultCode { get; set; } }

    public class SearchResponse : DirectoryResponse
    {
        private readonly SearchResultEntryCollection entries = new SearchResultEntryCollection();
        public SearchResultEntryCollection Entries { get { return entries; } }
    }

    public class DirectoryOperationException : Exception
    {
        public DirectoryOperationException(ResultCode code) : base(code.ToString())
        {
            Response = new DirectoryResponse { ResultCode = code };
        }
        public DirectoryResponse Response { get; private set; }
    }

    public class LdapSessionOptions
    {
        public int ProtocolVersion { get; set; }
        public bool Signing { get; set; }
        public bool Sealing { get; set; }
    }

    public class LdapConnection
    {
        private const int MaxValRange = 1500;
        private static Dictionary<string, Dictionary<string, List<byte[]>>> directory;
        private readonly LdapSessionOptions options = new LdapSessionOptions();

        public LdapConnection(string server) { }
        public LdapSessionOptions SessionOptions { get { return options; } }

        // A line for each value: entry, attribute and value, each in Base64.
        public static void Load(string path)
        {
            directory = new Dictionary<string, Dictionary<string, List<byte[]>>>();
            foreach (var line in File.ReadAllLines(path))
            {
                var parts = line.Split(' ').Select(Convert.FromBase64String).ToArray();
                string entry = Encoding.UTF8.GetString(parts[0]), attribute = Encoding.UTF8.GetString(parts[1]);
                if (!directory.ContainsKey(entry))
                {
                    directory[entry] = new Dictionary<string, List<byte[]>>(StringComparer.OrdinalIgnoreCase);
                }
                if (!directory[entry].ContainsKey(attribute)) { directory[entry][attribute] = new List<byte[]>(); }
                directory[entry][attribute].Add(parts[2]);
            }
        }

        public static void Save(string path)
        {
            Func<string, string> encode = text => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
            File.WriteAllLines(path, from entry in directory
                                     from attribute in entry.Value
                                     from value in attribute.Value
                                     select encode(entry.Key) + " " + encode(attribute.Key) + " " + Convert.ToBase64String(value));
        }

        public DirectoryResponse SendRequest(DirectoryRequest request)
        {
            if (!options.Signing || !options.Sealing) { throw new InvalidOperationException("the connection is in clear"); }
            if (!directory.ContainsKey(request.DistinguishedName))
            {
                throw new DirectoryOperationException(ResultCode.NoSuchObject);
            }
            var entry = directory[request.DistinguishedName];
            var search = request as SearchRequest;
            if (search != null) { return Search(entry, search); }
            return Modify(request.DistinguishedName, ((ModifyRequest)request).Modifications);
        }

        private static DirectoryResponse Search(Dictionary<string, List<byte[]>> entry, SearchRequest request)
        {
            var found = new SearchResultEntry();
            foreach (var asked in request.Attributes)
            {
                var parts = asked.Split(new[] { ";range=" }, StringSplitOptions.None);
                if (!entry.ContainsKey(parts[0])) { continue; }
                var values = entry[parts[0]];
                int first = parts.Length > 1 ? int.Parse(parts[1].Split('-')[0]) : 0;
                bool all = first + MaxValRange >= values.Count;
                string range = all ? first + "-*" : first + "-" + (first + MaxValRange - 1);
                string name = parts.Length > 1 || !all ? parts[0] + ";range=" + range : parts[0];
                found.Attributes.Put(name, values.Skip(first).Take(MaxValRange));
            }
            var response = new SearchResponse();
            response.Entries.Put(found);
            return response;
        }

        private static DirectoryResponse Modify(string name, DirectoryAttributeModificationCollection changes)
        {
            var changed = directory[name].ToDictionary(one => one.Key, one => one.Value.ToList(), StringComparer.OrdinalIgnoreCase);
            foreach (DirectoryAttributeModification change in changes)
            {
                if (!changed.ContainsKey(change.Name)) { changed[change.Name] = new List<byte[]>(); }
                var values = changed[change.Name];
                if (change.Operation == DirectoryAttributeOperation.Replace) { values.Clear(); }
                foreach (var value in change.Bytes())
                {
                    if (change.Operation != DirectoryAttributeOperation.Delete) { values.Add(value); }
                    else if (values.RemoveAll(one => one.SequenceEqual(value)) == 0)
                    {
                        throw new DirectoryOperationException(ResultCode.NoSuchAttribute);
                    }
                }
            }
            directory[name] = changed;
            return new DirectoryResponse();
        }
    }
}
