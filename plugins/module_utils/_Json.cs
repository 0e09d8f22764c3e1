// Copyright (c) 2026, lithnet.access_manager contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

using System;
using System.Collections.Generic;
using System.Collections.Specialized;
using System.Globalization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;

//AssemblyReference -Name System.Runtime.Serialization.dll -CLR Framework
//AssemblyReference -Name System.Xml.dll -CLR Framework

namespace ansible_collections.lithnet.access_manager.plugins.module_utils._Json
{
    /// <summary>Reads JSON, in place of ConvertFrom-Json: where module logging is on, Windows logs what a cmdlet is given, and the
    /// JSON has secrets.</summary>
    public static class Json
    {
        private const int Depth = 100;

        /// <summary>Stands for the name "", which .NET's reader refuses.</summary>
        private const string NoName = "\uE000";

        private static readonly Regex Strings = new Regex(@"""(?>[^""\\]+|\\.)*""(\s*:)?", RegexOptions.Singleline);

        /// <summary>The value of a text: OrderedDictionary without regard to case, object[], string, number, Boolean or
        /// null.</summary>
        public static object Parse(string text)
        {
            AssertWhole(text);
            XmlDictionaryReaderQuotas quotas = new XmlDictionaryReaderQuotas();
            XmlDictionaryReaderQuotas.Max.CopyTo(quotas);
            quotas.MaxDepth = Depth;
            using (XmlDictionaryReader reader = JsonReaderWriterFactory.CreateJsonReader(new UTF8Encoding(false).GetBytes(
                Strings.Replace(text, WithName)), quotas))
            {
                if (reader.MoveToContent() != XmlNodeType.Element)
                    throw new FormatException("There is no JSON value.");
                object value = Value(reader);
                if (reader.Read())
                    throw new FormatException("There is more after the JSON value.");
                return value;
            }
        }

        /// <summary>A string as it is, but the name "", which gets one that can be read.</summary>
        private static string WithName(Match found)
        {
            bool isEmptyName = found.Value[1] == '"' && found.Groups[1].Success;
            return isEmptyName ? "\"" + NoName + "\"" + found.Groups[1].Value : found.Value;
        }

        private static object Value(XmlReader reader)
        {
            switch (reader.GetAttribute("type"))
            {
                case "object":
                    OrderedDictionary value = new OrderedDictionary(StringComparer.OrdinalIgnoreCase);
                    foreach (KeyValuePair<string, object> member in Members(reader))
                    {
                        if (value.Contains(member.Key))
                            throw new FormatException("The key '" + member.Key + "' is there twice, or in two spellings.");
                        value.Add(member.Key, member.Value);
                    }
                    return value;
                case "array":
                    List<object> items = new List<object>();
                    foreach (KeyValuePair<string, object> member in Members(reader))
                        items.Add(member.Value);
                    return items.ToArray();
                case "null":
                    Content(reader);
                    return null;
                case "boolean":
                    return XmlConvert.ToBoolean(Content(reader));
                case "number":
                    return Number(Content(reader));
                default:
                    return Content(reader);
            }
        }

        private static IEnumerable<KeyValuePair<string, object>> Members(XmlReader reader)
        {
            if (reader.IsEmptyElement)
                yield break;
            while (reader.Read() && reader.NodeType == XmlNodeType.Element)
            {
                string name = reader.NamespaceURI == "item" ? reader.GetAttribute("item") : reader.LocalName;
                yield return new KeyValuePair<string, object>(name == NoName ? "" : name, Value(reader));
            }
        }

        private static string Content(XmlReader reader)
        {
            StringBuilder content = new StringBuilder();
            if (reader.IsEmptyElement)
                return "";
            while (reader.Read() && reader.NodeType != XmlNodeType.EndElement)
                content.Append(reader.Value);
            return content.ToString();
        }

        /// <summary>Refuses a text that was cut off: the reader ends by itself what the end of the text leaves open.</summary>
        private static void AssertWhole(string text)
        {
            int depth = 0;
            bool quoted = false;
            for (int at = 0; at < text.Length; at++)
            {
                char letter = text[at];
                if (quoted && letter == '\\')
                    at++;
                else if (letter == '"')
                    quoted = !quoted;
                else if (!quoted && (letter == '{' || letter == '['))
                    depth++;
                else if (!quoted && (letter == '}' || letter == ']'))
                    depth--;
            }
            if (quoted || depth != 0)
                throw new FormatException("The JSON value does not end.");
        }

        private static object Number(string text)
        {
            int small;
            long large;
            decimal exact;
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out small))
                return small;
            if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out large))
                return large;
            if (decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out exact))
                return exact;
            return double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        }
    }
}
