namespace Kvasir.Measurement;

/// <summary>What policies would have read of one prompt, and what that would have lost.</summary>
/// <param name="Tokens">Of the prompt.</param>
/// <param name="QueryCount">Last positions that were attended by every policy; all before them were its prompt.</param>
/// <param name="Policies">In the order in which they were asked for.</param>
/// <param name="Curves">How attention mass is spread over keys.</param>
public sealed record AttentionStudy(int Tokens, int QueryCount, IReadOnlyList<PolicyStudy> Policies, MassCurves Curves);

/// <summary>What one policy did to the attention of every layer and head: means over the queries of a study.</summary>
/// <param name="Policy">By name, with options.</param>
/// <param name="KeysRead">[layers, KV heads]: rows read from memory, of those in sight.</param>
/// <param name="KeysUsed">[layers, query heads]: rows that a query head used; less than its group read, where the group's heads want different ones.</param>
/// <param name="MassKept">[layers, query heads]: dense attention's weight on the rows that were used.</param>
/// <param name="Error">[layers, query heads]: |output - dense output| / |dense output|.</param>
public sealed record PolicyStudy(string Policy, HeadGrid KeysRead, HeadGrid KeysUsed, HeadGrid MassKept, HeadGrid Error)
{
    internal static PolicyStudy Empty(string policy, int layerCount, int headCount, int kvHeadCount) => new(
        policy, new HeadGrid(layerCount, kvHeadCount), new HeadGrid(layerCount, headCount),
        new HeadGrid(layerCount, headCount), new HeadGrid(layerCount, headCount));
}
