using System.IO.Compression;
using System.Text.Json;

namespace Kvasir.Test.Support;

/// <summary>One tensor of a generated model. Shape is fastest first; without values, the bytes come from <see cref="RandomTensor"/>.</summary>
public sealed record GoldenTensor(string Name, int[] Shape, string Type, ulong Stream, double Centre, double Scale, float[]? Values)
{
    /// <summary>The place in the stream of the first number: a matrix may be rows of one that another container has whole.</summary>
    public int First { get; init; }

    /// <summary>Numbers of the stream that follow each other, and how far the next such run is from where this one began; 0 where all follow each other.</summary>
    public int Run { get; init; }

    /// <summary>As <see cref="Run"/> says.</summary>
    public int Stride { get; init; }

    /// <summary>Rows of a head, whose first <see cref="Turned"/> lie in halves here and side by side in the stream; 0 where none do.</summary>
    public int HeadRows { get; init; }

    /// <summary>As <see cref="HeadRows"/> says.</summary>
    public int Turned { get; init; }

    /// <summary>Queries that share a key, keys, and rows of a head, where rows lie by group here and queries, keys, values in the stream; null where they do not.</summary>
    public int[]? Group { get; init; }

    /// <summary>What it is made of, whose rows follow in turn; null where it is random numbers by itself.</summary>
    public GoldenTensor[]? Of { get; init; }

    /// <summary>What of these: single "elements", matrices "turned" so that columns come before rows, or the "blocks" of codes or the "scales" of MXFP4.</summary>
    public string? Part { get; init; }
}

/// <summary>One model of the table in tools/golden-logits/cases.py, as that script wrote it down.</summary>
public sealed record GoldenLogitsCase(
    string Name, string Format, string Reference, double Tolerance, int[] Tokens, Dictionary<string, string> Sha256,
    JsonElement[][]? Metadata, string? Config, int Shards, GoldenTensor[] Tensors)
{
    /// <summary>The case of the same model in the other container; null where there is none.</summary>
    public string? Twin { get; init; }

    /// <summary>Expected logits, [position][vocabulary].</summary>
    public float[][] Logits()
    {
        var raw = Unpacked(Name + ".gz");
        var vocabulary = raw.Length / sizeof(float) / Tokens.Length;
        var logits = new float[Tokens.Length][];
        for (var i = 0; i < logits.Length; i++)
        {
            logits[i] = new float[vocabulary];
            Buffer.BlockCopy(raw, i * vocabulary * sizeof(float), logits[i], 0, vocabulary * sizeof(float));
        }
        return logits;
    }

    /// <summary>A file of the fixture folder, decompressed.</summary>
    public static byte[] Unpacked(string file)
    {
        using var packed = File.OpenRead(FixturePath(file));
        using var stream = new GZipStream(packed, CompressionMode.Decompress);
        using var raw = new MemoryStream();
        stream.CopyTo(raw);
        return raw.ToArray();
    }

    /// <summary>Where a fixture of this test lies.</summary>
    public static string FixturePath(string file) => Path.Combine(AppContext.BaseDirectory, "Fixtures", "Logits", file);
}

/// <summary>All cases, and the small tokenizer that every model carries: as GGUF entries and as files of a folder.</summary>
public sealed record GoldenLogitsTable(int Vocabulary, JsonElement[][] TokenizerKeys, Dictionary<string, string> TokenizerFiles, GoldenLogitsCase[] Cases)
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    /// <summary>The table that is committed beside the expected logits.</summary>
    public static GoldenLogitsTable Committed { get; } =
        JsonSerializer.Deserialize<GoldenLogitsTable>(GoldenLogitsCase.Unpacked("cases.json.gz"), CamelCase)!;
}
