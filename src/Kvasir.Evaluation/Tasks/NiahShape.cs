namespace Kvasir.Evaluation.Tasks;

/// <summary>What a needle task hides, and in what.</summary>
/// <param name="Haystack">The text around the needles.</param>
/// <param name="Keys">How many names are hidden.</param>
/// <param name="Values">How many values each name has.</param>
/// <param name="Queries">How many of the names are asked for.</param>
internal sealed record NiahShape(HaystackKind Haystack, int Keys = 1, int Values = 1, int Queries = 1)
{
    /// <summary>Names are UUIDs, not words.</summary>
    public bool UuidKeys { get; init; }

    /// <summary>Values are UUIDs, not numbers.</summary>
    public bool UuidValues { get; init; }

    /// <summary>So many depths, from the text's beginning to its end, take turns with the sample's index; 0: depths are drawn.</summary>
    public int GridDepths { get; init; }
}
