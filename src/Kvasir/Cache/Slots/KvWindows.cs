using Kvasir.Models.Configs;

namespace Kvasir.Cache.Slots;

/// <summary>
/// What layers with a window keep in memory: the rows that some position still to come sees, and those of the step under way, in whole pages. Rows before them
/// are given up; a row's number stays its position.
/// </summary>
/// <param name="shape">Of which at least one layer has a window.</param>
/// <param name="pageRows">Rows of a page.</param>
/// <param name="headsInPage">Heads of such a layer that lie in one page.</param>
internal sealed class KvWindows(AttentionShape shape, int pageRows, int headsInPage = 1)
{
    private readonly int _tokens = shape.WindowTokens!.Value;

    /// <summary>The most rows that a sequence has in a step; unbounded where nobody says.</summary>
    public int StepRows { get; set; } = int.MaxValue;

    /// <summary>Heads of all layers with a window; those that lie in one page count once.</summary>
    public int HeadCount { get; } =
        (shape.LayerCount - shape.FullLayerCount) * (((shape.WindowHeads?.KvHeadCount ?? shape.KvHeadCount) + headsInPage - 1) / headsInPage);

    /// <summary>The most pages that such a head has: so many rows may begin and end within a page.</summary>
    public int MostPages => (int)Math.Min(int.MaxValue / 2, (_tokens + (long)StepRows + (2 * pageRows) - 3) / pageRows);

    /// <summary>Whether a layer has a window.</summary>
    public bool Has(int layer) => !shape.SeesAll(layer);

    /// <summary>Whole pages at the front that no query at a position, or behind it, sees.</summary>
    public int PagesBehind(int position) => Math.Max(0, position - _tokens + 1) / pageRows;

    /// <summary>That of a model; null where no layer has a window.</summary>
    public static KvWindows? Of(AttentionShape shape, int pageRows, int headsInPage = 1) =>
        shape.FullLayerCount == shape.LayerCount ? null : new KvWindows(shape, pageRows, headsInPage);
}
