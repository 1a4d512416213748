using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Kvasir.Files;
using Kvasir.Models.Families;

namespace Kvasir.Tools.Test.Support;

/// <summary>Every family of models in a line, from the table that the readers walk, with what its logits were compared with.</summary>
internal static class ModelTable
{
    public static string Text(string root)
    {
        var golden = Golden(root);
        var text = new StringBuilder("| models | GGUF | folder | what differs from Llama, and what does not run | golden logits |\n|---|---|---|---|---|\n");
        foreach (var family in ModelFamilies.All)
        {
            string[] checkedBy = [.. golden.Where(found => found.Name == family.Gguf || found.Name == family.FolderType).GroupBy(found => found.Reference)
                .OrderBy(found => found.Key, StringComparer.Ordinal).Select(found => $"{found.Count()} {found.Key}")];
            text.Append($"| {family.Models} | {Code(family.Gguf)} | {Code(family.FolderType)} | {family.Differs} | {(checkedBy.Length > 0 ? string.Join(", ", checkedBy) : "-")} |\n");
        }

        return text.Append($"\nTensor types: {GgufTypes.Names}.\n").ToString();
    }

    private static string Code(string? name) => name is null ? "-" : $"`{name}`";

    private static List<(string Name, string Reference)> Golden(string root)
    {
        using var packed = File.OpenRead(Path.Combine(root, "test", "Kvasir.Test", "Fixtures", "Logits", "cases.json.gz"));
        using var stream = new GZipStream(packed, CompressionMode.Decompress);
        using var table = JsonDocument.Parse(stream);
        return [.. table.RootElement.GetProperty("cases").EnumerateArray().Select(static found => (NameOf(found), found.GetProperty("reference").GetString()!))];
    }

    private static string NameOf(JsonElement found)
    {
        if (found.TryGetProperty("metadata", out var keys))
            return keys.EnumerateArray().First(static key => key[0].ValueEquals("general.architecture"))[2].GetString()!;
        using var config = JsonDocument.Parse(found.GetProperty("config").GetString()!);
        return config.RootElement.GetProperty("model_type").GetString()!;
    }
}
