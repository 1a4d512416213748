using Kvasir.Files;

namespace Kvasir.Test.Support;

/// <summary>The bundled model of 260 thousand weights, to be changed: a writer that holds all of its GGUF file, and its folder.</summary>
internal static class StoriesCopy
{
    public static GgufWriter Gguf()
    {
        using var file = Kvasir.Files.Gguf.Open(TestModels.StoriesGguf);
        var writer = new GgufWriter();
        foreach (var key in file.Metadata.Keys)
            writer.Set(key, Value(file.Metadata, key));
        foreach (var tensor in file.Tensors)
            writer.Tensor(tensor.Name, tensor.Type, tensor.Shape, tensor.View.Span(0, (int)tensor.View.Bytes).ToArray());
        return writer;
    }

    /// <summary>Puts the folder's files into another.</summary>
    public static void Folder(TempFolder folder)
    {
        foreach (var file in Directory.GetFiles(TestModels.StoriesFolder))
            File.Copy(file, folder.File(Path.GetFileName(file)), overwrite: true);
    }

    /// <summary>The greedy continuation of a fixed text, which tells whether a change had an effect.</summary>
    public static string Story(string path)
    {
        using var model = Model.Load(path);
        return Story(model);
    }

    /// <inheritdoc cref="Story(string)"/>
    public static string Story(Model model)
    {
        using var engine = new Engine(model, new EngineOptions { Threads = 1, ContextTokens = 64, KvMemoryBytes = 16 << 20 });
        var sequence = new Sequence(model.Tokenizer.Encode("Once upon a time"), new GenerationOptions { MaxTokens = 12, Sampling = SamplingOptions.Greedy, IgnoreEnd = true });
        engine.Submit(sequence);
        while (sequence.Finish == FinishReason.None)
            engine.Step();
        return model.Tokenizer.Decode(sequence.Tokens);
    }

    private static object Value(GgufMetadata keys, string key) => keys.Describe(key)! switch
    {
        "U32" => (uint)keys.Integer(key)!.Value,
        "I32" => (int)keys.Integer(key)!.Value,
        "F32" => (float)keys.Number(key)!.Value,
        "Bool" => keys.Boolean(key)!.Value,
        "String" => keys.String(key)!,
        var type when type.EndsWith("String", StringComparison.Ordinal) => keys.Strings(key)!,
        var type when type.EndsWith("F32", StringComparison.Ordinal) => keys.Numbers(key)!,
        var type when type.EndsWith("I32", StringComparison.Ordinal) => keys.Integers(key)!,
        var other => throw new NotSupportedException($"{key} is {other}"),
    };
}
