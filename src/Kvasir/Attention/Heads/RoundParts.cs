using System.Runtime.ExceptionServices;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>
/// The rows of one round, divided into parts that any worker may attend. How many parts there are follows from how many rows were selected and from the shape
/// alone, each has a
/// sum of its own, and sums are merged in order: so that the result depends neither on the number of workers nor on who computed what. The worker that
/// selects owns the parts, attends
/// them as far as nobody else does, and waits for the others; one instance serves one owner.
/// </summary>
internal sealed class RoundParts : IDisposable
{
    // A part is worth a worker's while, and begins where a page does.
    private const int LeastRows = 1024;
    private const int RowUnit = 32;

    // Enough for many workers, and for the last of them not to wait long; more would only cost merging.
    private const int PartsPerLayer = 64;

    private readonly AttentionShape _shape;
    private readonly int _mostParts;
    private float[] _queries;
    private NativeBuffer _sums;
    private int _queryCount;
    private AttentionHead _head;
    private KvSelection _selection = null!;
    private int _count;
    private int _done;
    private Exception? _fault;
    private LateParts? _late;

    // The number of the round in the high half, the parts of it that nobody has taken in the low half: taking a part proves which round it belongs to, and
    // the round cannot end before
    // the part is done.
    private long _ticket;

    public RoundParts(AttentionShape shape)
    {
        _shape = shape;
        _mostParts = Math.Max(1, PartsPerLayer / shape.KvHeadCount);
        (_queries, _sums) = Room(positions: 1);
    }

    public long Bytes => _sums.Bytes;

    /// <summary>Parts that so many selected rows are divided into; 1 for too few to divide.</summary>
    public int CountFor(int rowCount) => Math.Clamp(rowCount / LeastRows, 1, _mostParts);

    /// <summary>Which of the selected rows are in a part: places in the selection, ranges before listed rows. Rows that are listed together are not
    /// divided.</summary>
    public static (int First, int End) Places(KvSelection selection, int part, int partCount)
    {
        var (all, listedFrom) = (selection.RowCount, selection.RowCount - selection.Rows.Length);
        var units = (all + RowUnit - 1) / RowUnit;
        return (Bound(part), Bound(part + 1));

        int Bound(int at)
        {
            var place = Math.Min(all, (int)((long)units * at / partCount) * RowUnit);
            return place <= listedFrom || place == all ? place : place - ((place - listedFrom) % selection.ListUnit);
        }
    }

    /// <summary>Makes room for the queries of so many positions at a time; between rounds.</summary>
    public void PrepareFor(int positions)
    {
        if (positions * _shape.GroupHeads * _shape.Dim <= _queries.Length)
            return;
        _sums.Dispose();
        (_queries, _sums) = Room(positions);
    }

    /// <summary>Attends the rows that the owner has selected, and merges their parts into a sum.</summary>
    /// <param name="owner">Whose selection it is.</param>
    /// <param name="watchers">When there are any, the owner attends all parts by itself, in order.</param>
    public void Attend(AttentionHead head, ReadOnlySpan<float> queries, scoped in Watchers watchers, SoftmaxSum sum, AttentionScratch owner)
    {
        (_head, _selection, _count, _done, _fault) = (head, owner.Selection, CountFor(owner.Selection.RowCount), 0, null);
        _queryCount = sum.Count;
        if (watchers.Any)
        {
            for (var part = 0; part < _count; part++)
                AttendPart(part, queries, watchers, owner);
        }
        else
        {
            queries.CopyTo(_queries);
            Interlocked.Exchange(ref _ticket, (((_ticket >> 32) + 1) << 32) | (uint)_count);
            while (TryHelp(owner))
            {
            }

            AwaitOthers();
        }

        for (var part = 0; part < _count; part++)
            sum.Merge(Sum(part));
    }

    /// <summary>
    /// Begins the same where rows may lie on file: in the same parts, which only the owner attends, and which wait for their rows one beside the other.
    /// </summary>
    /// <param name="pages">Of the head.</param>
    /// <param name="queryCount">Queries.</param>
    public void BeginLate(PageTable pages, int queryCount, AttentionScratch owner)
    {
        (_count, _queryCount) = (CountFor(owner.Selection.RowCount), queryCount);
        _late ??= new LateParts(_mostParts);
        _late.Begin(pages, owner.Selection, _count);
        for (var part = 0; part < _count && _count > 1; part++)
            Sum(part).Reset();
    }

    /// <summary>Begins to read what is missing.</summary>
    public void AskLate(AttentionScratch owner) => _late!.Ask(owner.PieceRows(_queryCount));

    /// <summary>Goes on as far as rows are there. False when others are on their way; when true, all are in the owner's sum.</summary>
    /// <param name="waits">Whether to wait for some if none is there at first.</param>
    public bool TryAttendLate(AttentionHead head, ReadOnlySpan<float> queries, scoped in Watchers watchers, AttentionScratch owner, bool waits)
    {
        var sum = owner.Sum(_queryCount);
        while (true)
        {
            var rows = _late!.Next(owner.PieceRows(_queryCount), inOrder: watchers.Any, waits, out var part, out var piece);
            if (rows == LateRows.Late)
                return false;
            if (rows == LateRows.Done)
                break;
            HeadAttention.AddPiece(head, queries, piece, watchers, _count > 1 ? Sum(part) : sum, owner);
            _late.Pass(part);
            waits = false;
        }

        for (var part = 0; part < _count && _count > 1; part++)
            sum.Merge(Sum(part));
        return true;
    }

    /// <summary>Gives back what is still held, after a fault.</summary>
    public void EndLate() => _late?.End();

    /// <summary>Whether rows are kept in memory, or on their way there, until they were attended.</summary>
    public bool HoldsLate => _late?.HoldsAny == true;

    /// <summary>All of it at once.</summary>
    /// <inheritdoc cref="TryAttendLate"/>
    public void AttendPaged(AttentionHead head, PageTable pages, ReadOnlySpan<float> queries, scoped in Watchers watchers, AttentionScratch owner)
    {
        BeginLate(pages, queries.Length / head.Rows.Dim, owner);
        try
        {
            while (!TryAttendLate(head, queries, watchers, owner, waits: true))
            {
            }
        }
        finally
        {
            EndLate();
        }
    }

    /// <summary>Attends one part, if the owner has parts that nobody has taken. From any worker, at any time.</summary>
    public bool TryHelp(AttentionScratch helper)
    {
        if (!TryTake(out var part))
            return false;
        try
        {
            AttendPart(part, _queries.AsSpan(0, _queryCount * _shape.Dim), default, helper);
        }
        catch (Exception fault)
        {
            Interlocked.CompareExchange(ref _fault, fault, null);
        }

        Interlocked.Increment(ref _done);
        return true;
    }

    public void Dispose() => _sums.Dispose();

    private void AttendPart(int part, ReadOnlySpan<float> queries, scoped in Watchers watchers, AttentionScratch worker)
    {
        var sum = Sum(part);
        sum.Reset();
        HeadAttention.AddSelected(_head, queries, new SelectedRows(_selection, Places(_selection, part, _count)), watchers, sum, worker);
    }

    private bool TryTake(out int part)
    {
        while (true)
        {
            var ticket = Volatile.Read(ref _ticket);
            var left = (int)(uint)ticket;
            part = 0;
            if (left == 0)
                return false;
            if (Interlocked.CompareExchange(ref _ticket, ticket - 1, ticket) != ticket)
                continue;
            part = _count - left;
            return true;
        }
    }

    private void AwaitOthers()
    {
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _done) < _count)
            spinner.SpinOnce(sleep1Threshold: -1);
        if (_fault is { } fault)
            ExceptionDispatchInfo.Throw(fault);
    }

    private SoftmaxSum Sum(int part)
    {
        var count = _queryCount * (_shape.ValueDim + 2);
        var floats = _sums.View.Span<float>((long)part * count * sizeof(float), count);
        return new SoftmaxSum(floats[.._queryCount], floats.Slice(_queryCount, _queryCount), floats[(2 * _queryCount)..]);
    }

    private (float[] Queries, NativeBuffer Sums) Room(int positions)
    {
        var queries = positions * _shape.GroupHeads;
        return (new float[queries * _shape.Dim], NativeBuffer.Uninitialized((long)_mostParts * queries * (_shape.ValueDim + 2) * sizeof(float)));
    }
}
