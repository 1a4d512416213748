using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Files;

namespace Kvasir.Cli.Inspect;

/// <summary>What lies in a model's files, whether or not Kvasir can run it.</summary>
/// <param name="Format">gguf or safetensors.</param>
/// <param name="TokenizerKind">As the files name it.</param>
/// <param name="Metadata">Every key, long arrays shortened.</param>
internal sealed record ModelContents(string Path, string Format, string TokenizerKind, JsonObject Metadata, IReadOnlyList<TensorLine> Tensors)
{
    private const long LimitBytes = 256L << 20;

    /// <param name="path">A GGUF file, a folder, or a safetensors file in one.</param>
    /// <exception cref="KvasirException">A file is missing or damaged.</exception>
    public static ModelContents Read(string path)
    {
        if (Directory.Exists(path))
            return ReadFolder(path);
        return path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
            ? ReadFolder(global::System.IO.Path.GetDirectoryName(global::System.IO.Path.GetFullPath(path))!)
            : ReadGguf(path);
    }

    private static ModelContents ReadGguf(string path)
    {
        using var file = Gguf.Open(path);
        var keys = file.Metadata;
        var metadata = new JsonObject();
        foreach (var key in keys.Keys)
            metadata[key] = ShortValue.Of(keys, key);
        var tensors = new List<TensorLine>();
        foreach (var tensor in file.Tensors)
            tensors.Add(new TensorLine(tensor.Name, tensor.Type, [.. tensor.Shape.Reverse()], tensor.View.Bytes));
        var split = metadata["tokenizer.ggml.pre"] is JsonValue pre ? $" ({pre})" : "";
        return new ModelContents(path, "gguf", $"{metadata["tokenizer.ggml.model"]}{split}", metadata, tensors);
    }

    private static ModelContents ReadFolder(string folder)
    {
        using var files = Safetensors.Open(folder);
        var tensors = new List<TensorLine>();
        foreach (var tensor in files.Tensors)
            tensors.Add(new TensorLine(tensor.Name, tensor.Type, tensor.Shape, tensor.View.Bytes));
        var metadata = new JsonObject();
        foreach (var (key, value) in Fields(global::System.IO.Path.Combine(folder, "config.json")))
            metadata[key] = ShortValue.Of(value);
        var tokenizer = Fields(global::System.IO.Path.Combine(folder, "tokenizer.json"))["model"] as JsonObject;
        return new ModelContents(folder, "safetensors", $"{tokenizer?["type"]}", metadata, tensors);
    }

    private static JsonObject Fields(string path)
    {
        try
        {
            return JsonNode.Parse(JsonFile.Read(path, LimitBytes).Span) as JsonObject
                ?? throw new KvasirException(KvasirError.BadFile, $"{path}: not a JSON object");
        }
        // The second is for a key that occurs twice.
        catch (Exception problem) when (problem is JsonException or ArgumentException)
        {
            throw new KvasirException(KvasirError.BadFile, $"{path}: {problem.Message}", problem);
        }
    }
}
