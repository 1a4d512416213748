using System.Diagnostics;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;

namespace Kvasir.Attention;

/// <summary>Attention of one query group over one KV head, by one worker. Every row is read from memory once for the whole group.</summary>
internal static class HeadAttention
{
    /// <summary>
    /// One position, by the selector's rounds. Leaves the finished outputs in the scratch's sums for the group.
    /// </summary>
    /// <param name="queries">[group, dim], scaled.</param>
    /// <param name="visible">The rows in sight.</param>
    /// <param name="observes">Whether the selector is told the weights.</param>
    public static SoftmaxSum Decode(
        KvHead head, Selector selector, ReadOnlySpan<float> queries, (int First, int End) visible, bool observes, AttentionScratch scratch)
    {
        var sum = scratch.Sum(queries.Length / head.Dim);
        sum.Reset();
        scratch.Observes = observes;
        scratch.Observed?.Clear();
        if (scratch.Compares)
            scratch.Comparison!.Begin();
        var query = new HeadQuery(head, queries, visible.First, visible.End, scratch.Selector);
        var selection = scratch.Selection;
        var counts = new SelectionCounts { Reads = new LayerReads(0, visible.End - visible.First, 0) };
        for (var round = 0; ; round++)
        {
            selection.Clear();
            var start = Stopwatch.GetTimestamp();
            var goesOn = selector.Select(query, round, sum, selection);
            counts += new SelectionCounts(Stopwatch.GetTimestamp() - start, 0, new LayerReads(selection.RowCount, 0, selection.BlockCount));
            if (!goesOn)
                break;
            AddRound(head, selector, queries, sum, scratch);
        }

        scratch.Counts += counts;
        if (observes)
            scratch.Observed!.Report(selector, visible.End - 1, sum);
        sum.Finish();
        return sum;
    }

    /// <summary>Adds the rows of a range, as they are, to the sum of one position; the selector is asked nothing but to reweight them.</summary>
    public static void AddRange(
        KvHead head, Selector selector, ReadOnlySpan<float> queries, (int First, int End) rows, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.DecodeRows;
        for (var row = rows.First; row < rows.End; row += BlockRows)
        {
            var count = Math.Min(BlockRows, rows.End - row);
            AddRows(head, selector, queries, new RowSet(row, count, following: rows.End - row - count), sum, scratch);
        }
    }

    /// <summary>
    /// A tile of consecutive prompt positions, densely and causally: keys are scored a block at a time for all queries of the tile.
    /// </summary>
    /// <param name="queries">[positions, group, dim], scaled.</param>
    /// <param name="shape">Of the model.</param>
    /// <param name="firstPosition">Of the tile.</param>
    /// <returns>[positions, group, dim], in the scratch.</returns>
    public static ReadOnlySpan<float> Prefill(
        KvHead head, ReadOnlySpan<float> queries, AttentionShape shape, int firstPosition, AttentionScratch scratch)
    {
        var count = queries.Length / head.Dim;
        if (scratch.Tiles is not { } tiles || !TileAttention.Pays(count))
            return PrefillInFloats(head, queries, shape, firstPosition, scratch);
        var outputs = scratch.Outputs(count);
        TileAttention.Run(queries, head.Keys, head.Values, new CausalView(firstPosition, shape.GroupHeads, shape.WindowTokens), tiles, outputs);
        return outputs;
    }

    private static ReadOnlySpan<float> PrefillInFloats(
        KvHead head, ReadOnlySpan<float> queries, AttentionShape shape, int firstPosition, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.TileRows;
        var count = queries.Length / head.Dim;
        var sum = scratch.Sum(count);
        sum.Reset();
        var end = firstPosition + (count / shape.GroupHeads);
        for (var row = shape.FirstVisible(firstPosition); row < end; row += BlockRows)
        {
            var block = new RowSet(row, Math.Min(BlockRows, end - row));
            var scores = scratch.Scores(count, BlockRows);
            AttentionScores.Rows(queries, head.Keys, block, 1, scores, BlockRows);
            MaskUnseen(scores, BlockRows, block, shape, firstPosition);
            sum.Add(head, block, scores, BlockRows);
        }

        sum.Finish();
        return sum.Output;
    }

    private static void AddRound(KvHead head, Selector selector, ReadOnlySpan<float> queries, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.DecodeRows;
        foreach (var (first, count) in scratch.Selection.Ranges)
            AddRange(head, selector, queries, (first, first + count), sum, scratch);
        var rows = scratch.Selection.Rows;
        for (var at = 0; at < rows.Length; at += BlockRows)
            AddRows(head, selector, queries, new RowSet(rows.Slice(at, Math.Min(BlockRows, rows.Length - at))), sum, scratch);
    }

    private static void AddRows(
        KvHead head, Selector selector, ReadOnlySpan<float> queries, in RowSet rows, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int Stride = AttentionScratch.DecodeRows;
        var scores = scratch.Scores(sum.Count, Stride);
        AttentionScores.Rows(queries, head.Keys, rows, 1, scores, Stride);
        if (scratch.Compares)
            scratch.Comparison!.Keep(scores, rows.Count, Stride);
        selector.Reweight(rows, scores, Stride);
        if (scratch.Compares)
            scratch.Comparison!.Take(scores, rows.Count, Stride);
        if (scratch.Observes)
            scratch.Observed!.Add(rows, scores, Stride);
        sum.Add(head, rows, scores, Stride);
        selector.Weighed(rows, scores, Stride, sum);
    }

    private static void MaskUnseen(Span<float> scores, int stride, in RowSet block, AttentionShape shape, int firstPosition)
    {
        var count = scores.Length / stride;
        var lastPosition = firstPosition + (count / shape.GroupHeads) - 1;
        if (block[0] + block.Count - 1 <= firstPosition && block[0] >= shape.FirstVisible(lastPosition))
            return;
        for (var query = 0; query < count; query++)
        {
            var position = firstPosition + (query / shape.GroupHeads);
            var own = scores.Slice(query * stride, block.Count);
            var unseenBefore = Math.Clamp(shape.FirstVisible(position) - block[0], 0, block.Count);
            var seenEnd = Math.Clamp(position + 1 - block[0], 0, block.Count);
            own[..unseenBefore].Fill(float.NegativeInfinity);
            own[seenEnd..].Fill(float.NegativeInfinity);
        }
    }
}
