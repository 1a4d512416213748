namespace Kvasir.Kernels.Attention.Amx;

/// <summary>What the queries of some consecutive prompt positions see: rows up to their own, and no further back than a window reaches.</summary>
/// <param name="FirstPosition">Of the first query.</param>
/// <param name="GroupHeads">Queries of a position: they lie side by side.</param>
/// <param name="WindowTokens">Rows that a query sees, its own among them; null sees all.</param>
public readonly record struct CausalView(int FirstPosition, int GroupHeads, int? WindowTokens)
{
    /// <summary>The position of query <paramref name="query"/>, which is also the last row that it sees.</summary>
    internal int Position(int query) => FirstPosition + query / GroupHeads;

    /// <summary>The first row that query <paramref name="query"/> sees.</summary>
    internal int FirstRow(int query) => WindowTokens is { } window ? Math.Max(0, Position(query) - window + 1) : 0;
}
