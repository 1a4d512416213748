namespace Kvasir.Measurement;

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
