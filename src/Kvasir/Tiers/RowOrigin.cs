using System.Globalization;
using System.Text;
using Kvasir.Files;

namespace Kvasir.Tiers;

/// <summary>What rows depend on beside their tokens: those of another origin are other rows, and there is no way from one to the other.</summary>
internal sealed record RowOrigin
{
    /// <summary>How positions turn keys.</summary>
    public required string Rotation { get; init; }

    /// <summary>How rows are stored.</summary>
    public required string Format { get; init; }

    /// <summary>How they were computed: densely, or under a policy.</summary>
    public required string Lineage { get; init; }

    public required string Tokenizer { get; init; }

    public required string Model { get; init; }

    // By name, in the order in which differences are told: what a user can change first.
    private (string Name, string Value)[] Parts =>
        [("rotation", Rotation), ("format", Format), ("attention", Lineage), ("tokenizer", Tokenizer), ("model", Model)];

    /// <summary>The first thing in which another origin is not this one, with both values; null where it is the same.</summary>
    public (string Name, string Own, string Other)? DifferenceTo(RowOrigin other)
    {
        foreach (var ((name, own), (_, others)) in Parts.Zip(other.Parts))
        {
            if (own != others)
                return (name, Differing(own, others), Differing(others, own));
        }

        return null;
    }

    /// <summary>A line for each part.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        foreach (var (name, value) in Parts)
            text.Append(CultureInfo.InvariantCulture, $"{name}={value}\n");
        return text.ToString();
    }

    /// <summary>Reads what <see cref="ToText"/> wrote; null where that is not all of it.</summary>
    public static RowOrigin? Parse(string text)
    {
        var lines = text.Split('\n');
        return Value("rotation") is { } rotation && Value("format") is { } format && Value("attention") is { } lineage
            && Value("tokenizer") is { } tokenizer && Value("model") is { } model
                ? new RowOrigin { Rotation = rotation, Format = format, Lineage = lineage, Tokenizer = tokenizer, Model = model }
                : null;

        string? Value(string name) => Array.Find(lines, line => line.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];
    }

    // Of values of several words those that differ.
    private static string Differing(string one, string other)
    {
        var (words, others) = (one.Split(' '), other.Split(' '));
        var differing = words.Length == others.Length ? string.Join(' ', words.Where((word, i) => word != others[i])) : one;
        return MessageText.Name(differing.TrimEnd(','));
    }
}
