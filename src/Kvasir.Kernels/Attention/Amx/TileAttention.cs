using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>
/// Dense causal attention of many queries over one KV head by AMX tiles. Lanes are queries: scores are K Q^T, in which key rows are tiles as
/// they lie; outputs are V^T P^T, in which two rows of weights are a row of a tile. Panels of rows are the outer loop, tiles of queries the
/// inner one, and the scores of a tile are multiplied while the weights of the one before are computed. Weights are cut to bf16, which
/// costs up to 2^-7 of a single row's part of an output.
/// </summary>
public static unsafe class TileAttention
{
    // Where packing 2,048 rows took as long as floats took in all: 6 queries of bf16 rows, 11 of q8 rows.
    private const int FewestQueries = 12;

    /// <summary>Whether this machine can, and keys and values of <paramref name="format"/> are rough enough for products of bf16 numbers.</summary>
    public static bool Supports(KvFormat format) => HasTiles && format.Keys.Tiles != TileForm.None && format.Values.Tiles != TileForm.None;

    /// <summary>Whether so many queries make up for packing rows into tiles.</summary>
    public static bool Pays(int queryCount) => queryCount >= FewestQueries;

    /// <summary>Bytes of scratch for <paramref name="queryCount"/> queries.</summary>
    public static long ScratchBytes(int dim, int queryCount) => TileSpace.Bytes(RowBlocks.Count(dim), TileCount(queryCount));

    /// <summary>outputs[q] = sum of softmax(queries[q] K^T) V over the rows that query q sees.</summary>
    /// <param name="queries">[positions, group, dim], scaled.</param>
    /// <param name="keys">Of one head; rows up to the last position exist.</param>
    /// <param name="values">As many.</param>
    /// <param name="view">What each query sees.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/>.</param>
    /// <param name="outputs">[positions, group, dim]</param>
    public static void Run(ReadOnlySpan<float> queries, PagedRows keys, PagedRows values, in CausalView view, NativeView scratch, Span<float> outputs)
    {
        var (dim, queryCount) = (keys.Dim, queries.Length / keys.Dim);
        Lengths.RequireEqual(queries.Length, queryCount * dim, nameof(queries));
        Lengths.RequireEqual(outputs.Length, queries.Length, nameof(outputs));
        if (keys.Dim != values.Dim || keys.Codec.Tiles == TileForm.None || values.Codec.Tiles == TileForm.None || !HasTiles)
            throw new NotSupportedException("no AMX tiles here, or not for such rows");
        if (queryCount == 0)
            return;
        var (blocks, tileCount) = (RowBlocks.Count(dim), TileCount(queryCount));
        var space = new TileSpace(scratch, blocks, tileCount);
        new Span<float>(space.NoScores, (int)(space.Scores - space.NoScores)).Fill(float.NegativeInfinity);
        for (var tile = 0; tile < tileCount; tile++)
        {
            TileQueries.Pack(Part(queries, tile, dim), dim, space, space.Queries(tile));
            TileSoftmax.Reset(space, tile, blocks);
        }

        var end = view.Position(queryCount - 1) + 1;
        for (var row = view.FirstRow(0); row < end; row += TileSpace.PanelRows)
        {
            var rows = new RowSet(row, Math.Min(TileSpace.PanelRows, end - row));
            TilePanel.PackKeys(keys, rows, space);
            TilePanel.PackValues(values, rows, space);
            AddPanel(space, view, rows, queryCount, blocks);
        }

        for (var tile = 0; tile < tileCount; tile++)
        {
            var first = tile * TileSpace.Lanes * dim;
            TileSoftmax.Finish(space, tile, dim, outputs[first..Math.Min(first + TileSpace.Lanes * dim, outputs.Length)]);
        }
    }

    private static bool HasTiles => AssembledKernel.IsAllowed && CpuFeatures.HasAmx;

    private static int TileCount(int queryCount) => (queryCount + TileSpace.Lanes - 1) / TileSpace.Lanes;

    private static ReadOnlySpan<float> Part(ReadOnlySpan<float> queries, int tile, int dim)
    {
        var first = tile * TileSpace.Lanes * dim;
        return queries[first..Math.Min(first + TileSpace.Lanes * dim, queries.Length)];
    }

    // Tile by tile: one is scored while the one before is weighed.
    private static void AddPanel(in TileSpace space, in CausalView view, in RowSet rows, int queryCount, int blocks)
    {
        var groups = TilePanel.GroupCount(rows.Count);
        var (first, end) = (0, TileCount(queryCount));
        while (view.Position(Queries(first, queryCount).Last) < rows[0])
            first++;
        while (view.FirstRow(Queries(end - 1, queryCount).First) >= rows[0] + rows.Count)
            end--;
        Step(space, TileParts.Scores, first, groups, blocks);
        for (var tile = first; tile < end; tile++)
        {
            var queries = Queries(tile, queryCount);
            if (!TileSoftmax.SeesAll(view, queries, rows[0], groups * TileSpace.GroupRows))
                TileSoftmax.Mask(space, view, queries, rows[0], groups);
            TileSoftmax.Raise(space, tile, blocks, groups);
            Step(space, tile + 1 < end ? TileParts.Outputs | TileParts.Scores : TileParts.Outputs, tile + 1, groups, blocks);
        }
    }

    /// <param name="next">The tile to score; the one before is weighed.</param>
    private static void Step(in TileSpace space, TileParts parts, int next, int groups, int blocks)
    {
        var tile = Math.Max(0, next - 1);
        var arguments = new TileStepArguments
        {
            Groups = groups,
            Keys = space.Keys,
            Queries = space.Queries(next),
            Shifts = space.Shifts(next),
            Scores = space.Scores,
            Maxima = space.Maxima,
            Weights = space.Weights,
            Masses = space.Masses(tile),
            Values = space.Values,
            Outputs = space.Outputs(tile),
            Mode = TileStepCode.Mode,
        };
        ((delegate* unmanaged<TileStepArguments*, void>)TileStepCode.Kernels(parts).Address(blocks))(&arguments);
    }

    private static (int First, int Last) Queries(int tile, int queryCount) =>
        (tile * TileSpace.Lanes, Math.Min((tile + 1) * TileSpace.Lanes, queryCount) - 1);
}

/// <summary>What a step does.</summary>
[Flags]
internal enum TileParts
{
    /// <summary>The scores of the next tile of queries.</summary>
    Scores = 1,

    /// <summary>From the scores of a tile its weights, and from those its outputs.</summary>
    Outputs = 2,
}

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
