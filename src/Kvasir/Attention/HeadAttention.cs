using System.Diagnostics;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Models;

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
    public static SoftmaxSum Decode(AttentionHead head, ReadOnlySpan<float> queries, (int First, int End) visible, bool observes, AttentionScratch scratch)
    {
        var query = new HeadQuery(head.Rows, queries, visible.First, visible.End, scratch.Selector);
        var sum = Begin(query, observes, scratch);
        for (var round = 0; AddRound(query, head, round, sum, scratch); round++)
        {
        }

        End(query, head.Selector, sum, scratch);
        return sum;
    }

    /// <summary>
    /// One position in all KV heads of a layer, whose selectors decide together. Leaves the finished outputs in the sums of their scratch.
    /// </summary>
    /// <param name="observes">Whether the selectors are told the weights.</param>
    public static void DecodeTogether(LayerScratch layer, (int First, int End) visible, bool observes)
    {
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
            Begin(layer.Query(kvHead, visible), observes, layer.Scratch(kvHead));
        var goesOn = true;
        for (var round = 0; goesOn; round++)
        {
            for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
                Consider(layer.Query(kvHead, visible), layer.Head(kvHead).Selector, round, layer.Sum(kvHead), layer.Scratch(kvHead));
            goesOn = false;
            for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
                goesOn |= AddRound(layer.Query(kvHead, visible), layer.Head(kvHead), round, layer.Sum(kvHead), layer.Scratch(kvHead));
        }

        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
            End(layer.Query(kvHead, visible), layer.Head(kvHead).Selector, layer.Sum(kvHead), layer.Scratch(kvHead));
    }

    /// <summary>Adds the rows of a range, as they are, to the sum of one position; the selector is asked nothing but to reweight them.</summary>
    public static void AddRange(AttentionHead head, ReadOnlySpan<float> queries, (int First, int End) rows, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.DecodeRows;
        for (var row = rows.First; row < rows.End; row += BlockRows)
        {
            var count = Math.Min(BlockRows, rows.End - row);
            AddRows(head, queries, new RowSet(row, count, following: rows.End - row - count), sum, scratch);
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

    private static SoftmaxSum Begin(scoped in HeadQuery query, bool observes, AttentionScratch scratch)
    {
        var sum = scratch.Sum(query.Queries.Length / query.Head.Dim);
        sum.Reset();
        scratch.Observes = observes;
        scratch.Observed?.Clear();
        if (scratch.Compares)
            scratch.Comparison!.Begin();
        scratch.Counts += new SelectionCounts { Reads = new LayerReads(0, query.EndRow - query.FirstRow, 0) };
        return sum;
    }

    private static void Consider(in HeadQuery query, Selector selector, int round, in SoftmaxSum sum, AttentionScratch scratch)
    {
        var start = Stopwatch.GetTimestamp();
        selector.Consider(query, round, sum);
        scratch.Counts += new SelectionCounts { Ticks = Stopwatch.GetTimestamp() - start };
    }

    // False when the selector has no more.
    private static bool AddRound(in HeadQuery query, AttentionHead head, int round, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.DecodeRows;
        var selection = scratch.Selection;
        selection.Clear();
        var start = Stopwatch.GetTimestamp();
        var goesOn = head.Selector.Select(query, round, sum, selection);
        scratch.Counts += new SelectionCounts(Stopwatch.GetTimestamp() - start, 0, new LayerReads(selection.RowCount, 0, selection.BlockCount));
        if (!goesOn)
            return false;
        if (selection.Attended && !scratch.Compares && !scratch.Observes)
            return true;
        scratch.Attended = selection.Attended;
        foreach (var (first, count) in selection.Ranges)
            AddRange(head, query.Queries, (first, first + count), sum, scratch);
        var rows = selection.Rows;
        for (var at = 0; at < rows.Length; at += BlockRows)
            AddRows(head, query.Queries, new RowSet(rows[at..], Math.Min(BlockRows, rows.Length - at)), sum, scratch);
        scratch.Attended = false;
        return true;
    }

    private static void End(in HeadQuery query, Selector selector, in SoftmaxSum sum, AttentionScratch scratch)
    {
        if (scratch.Observes)
            scratch.Observed!.Report(selector, query.EndRow - 1, sum);
        sum.Finish();
    }

    // Of rows that are attended already, audit and observers alone are told.
    private static void AddRows(AttentionHead head, ReadOnlySpan<float> queries, in RowSet rows, in SoftmaxSum sum, AttentionScratch scratch)
    {
        const int Stride = AttentionScratch.DecodeRows;
        var scores = scratch.Scores(sum.Count, Stride);
        AttentionScores.Rows(queries, head.Rows.Keys, rows, 1, scores, Stride);
        if (scratch.Compares)
            scratch.Comparison!.Keep(scores, rows.Count, Stride);
        head.Selector.Reweight(rows, scores, Stride);
        if (scratch.Compares)
            scratch.Comparison!.Take(scores, rows.Count, Stride);
        if (scratch.Observes)
            scratch.Observed!.Add(rows, scores, Stride);
        if (scratch.Attended)
            return;
        sum.Add(head.Rows, rows, scores, Stride);
        head.Selector.Weighed(rows, scores, Stride, sum);
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
