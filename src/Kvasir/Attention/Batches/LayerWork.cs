using System.Diagnostics;
using Kvasir.Attention.Heads;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>The attention of one layer for a batch: where its queries are, and where its outputs go.</summary>
/// <param name="Layer">From 0.</param>
/// <param name="Queries">[rows, heads, dim], rotated.</param>
/// <param name="Rows">Keys, rotated, and values.</param>
/// <param name="Outputs">[rows, heads, dim]</param>
internal readonly record struct LayerWork(int Layer, HeadRows Queries, NewRows Rows, HeadRows Outputs)
{
    /// <summary>Adds a candidate to a head, which can be taken back; behind what waits to be indexed, as between two steps.</summary>
    /// <param name="row">Of the batch.</param>
    public void AppendCandidate(AttentionHead head, int kvHead, int row, AttentionScratch scratch)
    {
        head.Build(scratch.Index);
        head.Mark();
        Rows.AppendTo(head, kvHead, row, 1);
    }

    /// <summary>Who watches a generated token's attention in one head.</summary>
    public Watchers WatchersOf(SequenceAttention attention, int position, int kvHead, AttentionScratch scratch) => new(
        attention.ObservesDecode ? scratch.Observed : null,
        attention.Audit is { } audit && audit.Draws(position, Layer, kvHead) ? scratch.Comparison : null);

    /// <summary>Holds a head's attention against dense attention, if it was drawn for that.</summary>
    /// <param name="place">The KV head, and the row of the segment.</param>
    /// <param name="query">As the selector was asked.</param>
    /// <param name="sum">Finished.</param>
    public void Audit(
        in Segment segment, (int KvHead, int Row) place, in HeadQuery query, in SoftmaxView sum, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var start = Stopwatch.GetTimestamp();
        scratch.Comparison!.Compare(query, sum, scratch);
        var ticks = Stopwatch.GetTimestamp() - start;
        segment.Attention.Audit!.Add(Layer, place, scratch.Comparison, ticks);
        counts += new SelectionCounts { AuditTicks = ticks };
    }
}

/// <summary>The keys and values of a batch in one layer, [rows, KV heads, dim] and [rows, KV heads, value dim], on their way into the cache.</summary>
internal readonly struct NewRows(NativeView keys, NativeView values, AttentionShape shape)
{
    private readonly NativeView _keys = keys;
    private readonly NativeView _values = values;

    /// <summary>Writes rows of the batch behind those of a head, and lets its selector index them.</summary>
    public void AppendTo(AttentionHead head, int kvHead, int firstRow, int rowCount)
    {
        var before = head.Rows.RowCount;
        // What is indexed with them may begin before them.
        using var pins = head.Rows.Pin((Math.Max(0, before - head.Selector.RowsBefore), before + rowCount), writtenFrom: before);
        for (var row = firstRow; row < firstRow + rowCount; row++)
        {
            var at = (((long)row * shape.KvHeadCount) + kvHead) * sizeof(float);
            head.Rows.Append(_keys.Span<float>(at * shape.Dim, shape.Dim), _values.Span<float>(at * shape.ValueDim, shape.ValueDim));
        }

        head.Append(before, rowCount);
    }
}
