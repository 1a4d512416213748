using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>
/// The attention of one position over one head whose rows may lie on file. It is left where it is while they come, and gone on with by any worker, one at a
/// time; what it comes to is what one worker that waited would have come to.
/// </summary>
internal sealed class LateHead : IDisposable
{
    private readonly AttentionScratch _scratch;
    private readonly AttentionShape _shape;
    private readonly int _maxRows;
    private AttentionHead _head;
    private SelectionCounts _counts;
    private (int First, int End) _visible;
    private Watchers _watchers;
    private int _groupHeads;
    private int _round;
    private bool _isInRound;

    /// <param name="maxRows">The most rows that a head will hold.</param>
    public LateHead(AttentionShape shape, KvFormat format, int maxRows) => (_scratch, _shape, _maxRows, _groupHeads) = (
        new AttentionScratch(shape, format, maxRows, takesPrompts: false), shape, maxRows, shape.GroupHeads);

    public long Bytes => _scratch.Bytes;

    /// <summary>[group, value dim], when it is over.</summary>
    public ReadOnlySpan<float> Outputs => _scratch.Sum(_groupHeads).Output;

    /// <summary>What choosing took and what was read.</summary>
    public SelectionCounts Counts => _counts;

    /// <summary>Whether it has rows that are there or on their way: what it waits for then comes, whatever others do.</summary>
    public bool HoldsRows => _isInRound && _scratch.Parts.HoldsLate;

    private HeadQuery Query => new(_head.Rows, _scratch.Queries(_groupHeads), _visible.First, _visible.End, _scratch.Selector);

    /// <summary>Begins: rows are chosen, and what is missing of them begins to come.</summary>
    /// <param name="head">Whose pages may lie on file.</param>
    /// <param name="visible">The positions in sight.</param>
    /// <param name="observes">Whether the selector is told of weights.</param>
    public void Begin(AttentionHead head, HeadRows queries, int row, int kvHead, (int First, int End) visible, bool observes)
    {
        if (observes)
            _scratch.PrepareToObserve(_shape, _maxRows);
        _watchers = new Watchers(observes ? _scratch.Observed : null, null);
        (_head, _visible, _counts, _round, _isInRound) = (head, visible, default, 0, false);
        queries.Queries(row, 1, kvHead, _scratch);
        HeadAttention.Begin(Query, _watchers, _scratch, ref _counts);
        if (TryBeginRound())
            _scratch.Parts.AskLate(_scratch);
    }

    /// <summary>Goes on as far as rows are there. False when others are on their way.</summary>
    /// <param name="waits">Whether to wait for some if none is there at first.</param>
    /// <exception cref="KvasirException">Rows cannot be read.</exception>
    public bool TryGoOn(bool waits)
    {
        while (_isInRound)
        {
            if (!_scratch.Parts.TryAttendLate(_head, Query.Queries, _watchers, _scratch, waits))
                return false;
            _round++;
            TryBeginRound();
        }

        HeadAttention.End(Query, _head.Selector, _scratch.Sum(_groupHeads), _watchers);
        return true;
    }

    /// <summary>Gives back what it holds, after a fault.</summary>
    public void Abandon()
    {
        _scratch.Parts.EndLate();
        _isInRound = false;
    }

    public void Dispose() => _scratch.Dispose();

    private bool TryBeginRound()
    {
        _isInRound = false;
        while (HeadAttention.Select(Query, _head.Selector, _round, _scratch, ref _counts))
        {
            if (_scratch.Selection.HasPartial)
            {
                // The selector has attended the rows by itself.
                _scratch.Sum(_groupHeads).Merge(_scratch.Selection.Partial);
                _round++;
                continue;
            }

            _scratch.Parts.BeginLate(_head.Rows.Paged!, _groupHeads, _scratch);
            return _isInRound = true;
        }

        return false;
    }
}
