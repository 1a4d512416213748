using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Kvasir.Tools.Test.Support;

/// <summary>Every public type of the library in a line, from its docstring.</summary>
internal static class ApiIndex
{
    private static readonly Assembly[] Assemblies = [typeof(Engine).Assembly, typeof(Kvasir.Evaluation.TaskCatalog).Assembly];

    public static string Text()
    {
        var text = new StringBuilder("# The public API\n\nEvery public type with the first sentence of its docstring, by namespace. `DocumentsTest` writes this page.\n");
        foreach (var assembly in Assemblies)
        {
            var summaries = XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member")
                .ToDictionary(static member => member.Attribute("name")!.Value, static member => FirstSentence(member.Element("summary")));
            var types = assembly.GetExportedTypes().Where(static type => !type.IsNested).OrderBy(static type => type.Namespace, StringComparer.Ordinal);
            foreach (var space in types.GroupBy(static type => type.Namespace))
            {
                text.Append($"\n## {space.Key}\n\n| type | what it is |\n|---|---|\n");
                foreach (var type in space.OrderBy(static type => type.Name, StringComparer.Ordinal))
                    text.Append($"| `{Name(type)}` | {summaries.GetValueOrDefault($"T:{type.FullName}", "").Replace("|", "\\|", StringComparison.Ordinal)} |\n");
            }
        }

        return text.ToString();
    }

    private static string Name(Type type) => type.Name.Split('`')[0];

    private static string FirstSentence(XElement? summary)
    {
        if (summary is null)
            return "";
        var words = new StringBuilder();
        foreach (var node in summary.DescendantNodes())
        {
            if (node is XText plain)
                words.Append(node.Parent!.Name == "c" ? $"`{plain.Value}`" : plain.Value);
            else if (node is XElement { HasElements: false, IsEmpty: true } reference)
                words.Append($"`{Regex.Replace(reference.Attributes().First().Value, @"^\w:|\(.*|`\d+", "").Split('.')[^1]}`");
        }

        var text = Regex.Replace(words.ToString(), @"\s+", " ").Trim();
        return Regex.Match(text, @"^.*?[.:](?=\s+[A-Z`]|$)") is { Success: true } sentence ? sentence.Value : text;
    }
}
