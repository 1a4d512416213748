using System.Diagnostics;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>Attention of one query group over one KV head. Every row is read from memory once for the whole group.</summary>
internal static class HeadAttention
{
    /// <summary>
    /// One position, by the selector's rounds. Leaves the finished outputs in the scratch's sums for the group.
    /// </summary>
    /// <param name="queries">[group, dim], scaled.</param>
    /// <param name="visible">The positions in sight.</param>
    /// <param name="watchers">Who is told what is read.</param>
    /// <param name="counts">Takes what choosing took and what was read.</param>
    public static SoftmaxSum Decode(
        AttentionHead head, ReadOnlySpan<float> queries, (int First, int End) visible,
        scoped in Watchers watchers, AttentionScratch scratch, scoped ref SelectionCounts counts)
    {
        var query = new HeadQuery(head.Rows, queries, visible.First, visible.End, scratch.Selector);
        var sum = Begin(query, watchers, scratch, ref counts);
        for (var round = 0; AddRound(query, head.Selector, round, watchers, scratch, ref counts); round++)
        {
        }

        End(query, head.Selector, sum, watchers);
        return sum;
    }

    /// <summary>
    /// One position in all KV heads of a layer, whose selectors decide together. Leaves the finished outputs in the sums of their scratch, and what was read in
    /// their counts.
    /// </summary>
    public static void DecodeTogether(LayerScratch layer, (int First, int End) visible)
    {
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
            Begin(layer.Query(kvHead, visible), layer.Watchers(kvHead), layer.Scratch(kvHead), ref layer.Counts(kvHead));
        var goesOn = true;
        for (var round = 0; goesOn; round++)
        {
            for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
                Consider(layer.Query(kvHead, visible), layer.Head(kvHead).Selector, round, layer.Sum(kvHead), ref layer.Counts(kvHead));
            goesOn = false;
            for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
                goesOn |= AddRound(
                    layer.Query(kvHead, visible), layer.Head(kvHead).Selector, round, layer.Watchers(kvHead), layer.Scratch(kvHead), ref layer.Counts(kvHead));
        }

        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
            End(layer.Query(kvHead, visible), layer.Head(kvHead).Selector, layer.Sum(kvHead), layer.Watchers(kvHead));
    }

    /// <summary>
    /// Consecutive positions behind a prompt, each of which reads every row in sight: those that all of them see are read once. Leaves the finished outputs,
    /// [positions, group, dim], in the scratch's sums.
    /// </summary>
    /// <param name="queries">[positions, group, dim], scaled.</param>
    /// <param name="firstPosition">Rows up to the last position exist.</param>
    public static SoftmaxSum DecodeAll(KvHead head, ReadOnlySpan<float> queries, AttentionShape shape, int firstPosition, AttentionScratch scratch)
    {
        // Where rows were dropped, there is no window whose edge would be a position.
        Invariant.Holds(head.IsWhole || shape.WindowTokens is null);
        var (first, count) = (head.RowAt(firstPosition), queries.Length / head.Dim);
        var end = first + (count / shape.GroupHeads);
        var sum = scratch.Sum(count);
        sum.Reset();
        var seenByAll = Math.Min(first, shape.FirstVisible(end - 1));
        AddCausal(head, queries, (shape.FirstVisible(first), seenByAll), shape, first, scratch);
        scratch.Selection.Clear();
        scratch.Selection.AddRange(seenByAll, first - seenByAll);
        AddSelection(new AttentionHead(head, AllRows.Instance), queries, default, sum, scratch);
        AddCausal(head, queries, (first, end), shape, first, scratch);
        sum.Finish();
        return sum;
    }

    /// <summary>Adds every row in sight, as it is, to a sum, without asking or telling anybody.</summary>
    public static void AddAll(in HeadQuery query, SoftmaxSum sum, AttentionScratch scratch)
    {
        const int Most = AttentionScratch.DecodeRows;
        using var pins = query.Head.Pin((query.FirstRow, query.EndRow));
        for (var row = query.FirstRow; row < query.EndRow; row += Most)
        {
            var rows = new RowSet(row, Math.Min(Most, query.EndRow - row), following: Math.Max(0, query.EndRow - row - Most));
            var scores = scratch.Scores(sum.Count, Most);
            query.Head.Score(query.Queries, rows, scores, Most);
            sum.Add(query.Head, rows, scores, Most);
        }
    }

    /// <summary>Adds rows that were selected to a sum.</summary>
    public static void AddSelected(
        AttentionHead head, ReadOnlySpan<float> queries, SelectedRows rows, scoped in Watchers watchers, SoftmaxSum sum, AttentionScratch scratch)
    {
        var stride = scratch.PieceRows(sum.Count);
        while (rows.MoveNext(stride))
            AddPiece(head, queries, rows, watchers, sum, scratch);
    }

    /// <summary>Adds a piece of the rows that were selected, of at most <see cref="AttentionScratch.PieceRows"/>.</summary>
    public static void AddPiece(
        AttentionHead head, ReadOnlySpan<float> queries, in SelectedRows rows, scoped in Watchers watchers, SoftmaxSum sum, AttentionScratch scratch)
    {
        var stride = scratch.PieceRows(sum.Count);
        var scores = Score(head, queries, rows, stride, watchers, scratch);
        sum.Add(head.Rows, rows.Stored, scores, stride);
        head.Selector.Weighed(rows.Piece, rows.Listed, scores, stride, sum.Max);
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
        Invariant.Holds(head.IsWhole);
        // Scores of tiles are never seen one by one, and so not capped; and tiles know no sinks.
        if (scratch.Tiles is not { } tiles || !TileAttention.Pays(count) || head.ScoreCap > 0 || !scratch.Sinks.IsEmpty)
            return PrefillInFloats(head, queries, shape, firstPosition, scratch);
        var outputs = scratch.Outputs(count);
        using var pins = head.Pin((0, firstPosition + (count / shape.GroupHeads)));
        TileAttention.Run(queries, head.Keys, head.Values, new CausalView(firstPosition, shape.GroupHeads, shape.WindowTokens), tiles, outputs);
        return outputs;
    }

    private static ReadOnlySpan<float> PrefillInFloats(
        KvHead head, ReadOnlySpan<float> queries, AttentionShape shape, int firstPosition, AttentionScratch scratch)
    {
        var count = queries.Length / head.Dim;
        var sum = scratch.Sum(count);
        sum.Reset();
        AddCausal(head, queries, (shape.FirstVisible(firstPosition), firstPosition + (count / shape.GroupHeads)), shape, firstPosition, scratch);
        sum.Finish();
        return sum.Output;
    }

    // To the scratch's sums, of each row what the positions from the first on see.
    private static void AddCausal(
        KvHead head, ReadOnlySpan<float> queries, (int First, int End) rows, AttentionShape shape, int firstPosition, AttentionScratch scratch)
    {
        const int BlockRows = AttentionScratch.TileRows;
        var sum = scratch.Sum(queries.Length / head.Dim);
        using var pins = head.Pin(rows);
        for (var row = rows.First; row < rows.End; row += BlockRows)
        {
            var block = new RowSet(row, Math.Min(BlockRows, rows.End - row));
            var scores = scratch.Scores(sum.Count, BlockRows);
            head.Score(queries, block, scores, BlockRows);
            MaskUnseen(scores, BlockRows, block, shape, firstPosition);
            sum.Add(head, block, scores, BlockRows);
        }
    }

    /// <summary>Begins the sum of one position, in the scratch.</summary>
    public static SoftmaxSum Begin(scoped in HeadQuery query, scoped in Watchers watchers, AttentionScratch scratch, scoped ref SelectionCounts counts)
    {
        var sum = scratch.Sum(query.Queries.Length / query.Head.Dim);
        sum.Reset();
        watchers.Begin();
        counts += new SelectionCounts { Reads = new LayerReads(0, query.EndPosition - query.FirstPosition, 0) };
        return sum;
    }

    private static void Consider(in HeadQuery query, Selector selector, int round, in SoftmaxView sum, scoped ref SelectionCounts counts)
    {
        var start = Stopwatch.GetTimestamp();
        selector.Consider(query, round, sum);
        counts += new SelectionCounts { Ticks = Stopwatch.GetTimestamp() - start };
    }

    /// <summary>Selects the rows of a round, into the scratch. False when the selector has no more.</summary>
    public static bool Select(in HeadQuery query, Selector selector, int round, AttentionScratch scratch, scoped ref SelectionCounts counts)
    {
        var selection = scratch.Selection;
        selection.Clear();
        var start = Stopwatch.GetTimestamp();
        var goesOn = selector.Select(query, round, scratch.Sum(query.Queries.Length / query.Head.Dim), selection);
        // Nobody chooses among all rows.
        counts += new SelectionCounts(
            selector is AllRows ? 0 : Stopwatch.GetTimestamp() - start, 0,
            new LayerReads(selection.RowCount, 0, selection.BlockCount) { Cut = selection.IsCut ? 1 : 0 });
        return goesOn;
    }

    // False when the selector has no more.
    private static bool AddRound(
        in HeadQuery query, Selector selector, int round, scoped in Watchers watchers, AttentionScratch scratch, scoped ref SelectionCounts counts)
    {
        if (!Select(query, selector, round, scratch, ref counts))
            return false;
        var selection = scratch.Selection;
        var sum = scratch.Sum(query.Queries.Length / query.Head.Dim);
        var head = new AttentionHead(query.Head, selector);
        if (selection.HasPartial)
        {
            Tell(head, query.Queries, new SelectedRows(selection, (0, selection.RowCount)), watchers, scratch);
            sum.Merge(selection.Partial);
        }
        else
        {
            AddSelection(head, query.Queries, watchers, sum, scratch);
        }

        return true;
    }

    // What is selected in the scratch, divided where it is much.
    private static void AddSelection(AttentionHead head, ReadOnlySpan<float> queries, scoped in Watchers watchers, SoftmaxSum sum, AttentionScratch scratch)
    {
        if (head.Rows.Paged is { } pages)
            scratch.Parts.AttendPaged(head, pages, queries, watchers, scratch);
        else if (scratch.Parts.CountFor(scratch.Selection.RowCount) > 1)
            scratch.Parts.Attend(head, queries, watchers, sum, scratch);
        else
            AddSelected(head, queries, new SelectedRows(scratch.Selection, (0, scratch.Selection.RowCount)), watchers, sum, scratch);
    }

    /// <summary>Finishes the sum of one position.</summary>
    public static void End(in HeadQuery query, Selector selector, SoftmaxSum sum, scoped in Watchers watchers)
    {
        watchers.Observed?.Report(selector, query.EndRow - 1, sum);
        sum.Finish();
    }

    // Of rows that are in the sum already, those who watch are told.
    private static void Tell(AttentionHead head, ReadOnlySpan<float> queries, SelectedRows rows, scoped in Watchers watchers, AttentionScratch scratch)
    {
        while (watchers.Any && rows.MoveNext(AttentionScratch.DecodeRows))
            Score(head, queries, rows, AttentionScratch.DecodeRows, watchers, scratch);
    }

    private static Span<float> Score(
        AttentionHead head, ReadOnlySpan<float> queries, in SelectedRows rows, int stride, scoped in Watchers watchers, AttentionScratch scratch)
    {
        var piece = rows.Piece;
        var scores = scratch.Scores(queries.Length / head.Rows.Dim, stride);
        head.Rows.Score(queries, rows.Stored, scores, stride);
        watchers.Comparison?.Keep(scores, piece.Count, stride);
        head.Selector.Reweight(piece, rows.Listed, scores, stride);
        watchers.Comparison?.Take(scores, piece.Count, stride);
        watchers.Observed?.Add(piece, scores, stride);
        return scores;
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
