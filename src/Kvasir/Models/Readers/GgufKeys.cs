using Kvasir.Files;

namespace Kvasir.Models.Readers;

/// <summary>The keys of a GGUF file that begin with its architecture, by what follows, and which tensors its first layer has.</summary>
internal sealed class GgufKeys(Gguf file, string architecture) : IConfigFields
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public Gguf File => file;

    public string Architecture => architecture;

    public Notes Notes => file.Metadata.Notes;

    public bool Contains(string key) => file.Metadata.Contains(Whole(key));

    public bool IsArray(string key) => file.Metadata.IsArray(Whole(key));

    public string? String(string key) => file.Metadata.String(Whole(key));

    public long? Integer(string key) => file.Metadata.Integer(Whole(key));

    public int[]? Integers(string key) => file.Metadata.Integers(Whole(key));

    public bool[]? Booleans(string key) => file.Metadata.Booleans(Whole(key));

    public long? Count(string key) => file.Metadata.Count(Whole(key));

    public double? Number(string key) => file.Metadata.Number(Whole(key));

    public bool? Boolean(string key) => file.Metadata.Boolean(Whole(key));

    /// <summary>Whether somebody has asked for the key.</summary>
    public bool IsRead(string key) => _read.Contains($"{architecture}.{key}");

    /// <summary>Keys of the architecture that nobody has asked for.</summary>
    public string[] Unread() =>
    [
        .. file.Metadata.Keys.Where(key => key.StartsWith($"{architecture}.", StringComparison.Ordinal) && !_read.Contains(key))
            .Select(key => key[(architecture.Length + 1)..]),
    ];

    /// <summary>Whether a layer, the first for one, has a part, as <see cref="TensorNames.Gguf"/> spells it.</summary>
    public bool HasPart(string part, int layer = 0) => file.TryFind(TensorNames.Gguf.Layer(layer, part), out _);

    public KvasirException Missing(string key) => file.Metadata.Missing(Whole(key));

    public KvasirException Bad(string key, string problem) => file.Metadata.Bad(Whole(key), problem);

    public KvasirException Unsupported(string key, string problem) => ((IConfigFields)file.Metadata).Unsupported(Whole(key), problem);

    private string Whole(string key)
    {
        var whole = $"{architecture}.{key}";
        _read.Add(whole);
        return whole;
    }
}
