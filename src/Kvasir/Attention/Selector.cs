using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention;

/// <summary>
/// The index of one (sequence, layer, KV head), and the choice of rows by it. A decode step asks for rounds until
/// <see cref="Select"/> has no more; each round is scored, offered to <see cref="Reweight"/>, and added to the running softmax,
/// whose mass the next call to <see cref="Select"/> sees. One worker at a time uses a selector. No method may allocate on the
/// managed heap in a decode step.
/// </summary>
public abstract class Selector : IDisposable
{
    /// <summary>The most rows that <see cref="Reweight"/> is given at a time.</summary>
    internal const int MostReweighted = 512;

    /// <summary>Bytes that the index holds now.</summary>
    public virtual long IndexBytes => 0;

    /// <summary>
    /// Rows whose indexing takes so long that others would feel it, and that wait for <see cref="Build"/>; 0 when the index is ready. Looked at between
    /// steps; while
    /// there are any, the sequence waits, and nobody asks for a selection: so what a query finds does not depend on how long that was.
    /// </summary>
    public virtual int RowsWaiting => 0;

    /// <summary>Rows before those that <see cref="Append"/> is told of which it reads as well: those of a block that is not full.</summary>
    public virtual int RowsBefore => 0;

    /// <summary>
    /// Indexes rows [<paramref name="firstRow"/>, <paramref name="firstRow"/> + <paramref name="rowCount"/>), which the cache already holds: those of a
    /// step, or some of
    /// those that were there before the sequence began. What takes longer, and what needs rows that are not there yet, waits for <see cref="Build"/>.
    /// </summary>
    public virtual void Append(KvHead head, int firstRow, int rowCount)
    {
    }

    /// <summary>
    /// Rows, from the first, of which the index is what <see cref="AttentionPolicy.PartEnd"/> says, so that <see cref="WritePart"/> may be asked.
    /// </summary>
    public virtual int RowsForParts => int.MaxValue;

    /// <summary>
    /// Writes the part of the index that is of rows [<paramref name="firstRow"/>, <paramref name="firstRow"/> + <paramref name="rowCount"/>), which are
    /// indexed: for others that begin with the same rows.
    /// </summary>
    /// <param name="part">As long as <see cref="AttentionPolicy.PartBytes(HeadPlace, int)"/> says.</param>
    public virtual void WritePart(int firstRow, int rowCount, NativeView part)
    {
    }

    /// <summary>Takes what <see cref="WritePart"/> of another has written, in the place of <see cref="Append"/> for these rows.</summary>
    /// <param name="head">With all rows that the selector will be told of before new ones come.</param>
    public virtual void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part)
    {
    }

    /// <summary>Told once, after the last row of the prompt was appended: what needs the whole prompt waits for <see cref="Build"/> from now on.</summary>
    public virtual void EndPrompt(KvHead head)
    {
    }

    /// <summary>
    /// Does the work of so many of the <see cref="RowsWaiting"/>, at most of all of them. Between steps, one slice in each; the outcome is the same however
    /// it is sliced.
    /// </summary>
    /// <param name="head">With every row that the selector was told of.</param>
    /// <param name="scratch">The worker's; nothing stays in it from one call to the next.</param>
    public virtual void Build(KvHead head, int rows, IndexScratch scratch)
    {
    }

    /// <summary>
    /// Told the query and the softmax so far before round <paramref name="round"/> (from 0), as all other heads of the layer are, and only then asked to
    /// select; called only when <see cref="AttentionPolicy.DecidesByLayer"/>.
    /// </summary>
    public virtual void Consider(in HeadQuery query, int round, in SoftmaxView sum)
    {
    }

    /// <summary>
    /// Fills <paramref name="selection"/>, which arrives empty, with the rows of round <paramref name="round"/> (from 0), best
    /// first. Rows of different rounds must not repeat. False when there are no more rounds.
    /// </summary>
    /// <param name="sum">The softmax over the rounds so far, one part per query head.</param>
    public abstract bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection);

    /// <summary>
    /// Lists rows that a query like this one would probably select first, but for those that are always read: asked before the query is known, so that rows may
    /// come from file meanwhile. An answer, of which nothing stays. False when that cannot be told without reading rows.
    /// </summary>
    /// <param name="query">At the next position, whose own row is not there yet.</param>
    /// <param name="selection">Arrives empty.</param>
    public virtual bool Foresee(in HeadQuery query, KvSelection selection) => false;

    /// <summary>
    /// Adds log-weights to the scores of rows that were selected: 0 keeps a row as it is, minus the log of its inclusion
    /// probability undoes sampling, negative infinity takes it from one query head while its group still shares the read. Several workers may ask at once, for
    /// different rows of one round: nothing may be written but the scores.
    /// </summary>
    /// <param name="rows">Which rows: a piece of a range, or of the listed rows.</param>
    /// <param name="listed">Where listed rows begin in <see cref="KvSelection.Rows"/>; 0 for a range.</param>
    /// <param name="scores">[group, <paramref name="stride"/>]: the score of query head g and the i-th row at g * stride + i.</param>
    public virtual void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
    {
    }

    /// <summary>
    /// Told what rows weigh in a round, piece by piece as <see cref="Reweight"/> was, and as it by several workers at once; rows of a block that was listed
    /// as such come to one of them.
    /// </summary>
    /// <param name="weights">[group, <paramref name="stride"/>]: e^(score - max).</param>
    /// <param name="max">[group]</param>
    public virtual void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max)
    {
    }

    /// <summary>
    /// Told the weights that attention gave, for the rows that it read. Called only when the policy asks for it: after a decode
    /// step, and for the last rows of a prompt.
    /// </summary>
    /// <param name="position">The query's own row: its position, as long as nothing was dropped.</param>
    /// <param name="weights">[group, <paramref name="stride"/>]; each query head's weights over all calls for one position sum to 1.</param>
    public virtual void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
    {
    }

    /// <summary>Told the queries of a prompt's last rows, before <see cref="Observe"/> tells what they read.</summary>
    /// <param name="position">The queries' own row.</param>
    /// <param name="queries">[group, dim], scaled.</param>
    public virtual void ObserveQueries(int position, ReadOnlySpan<float> queries)
    {
    }

    /// <summary>
    /// Says that <see cref="Truncate"/> may come back to the rows that there are now, behind the prompt: what steps have taught a selector, and what rows alone
    /// do not tell, is kept beside. Of marks and of steps since one, as many count as <see cref="HeadPlace.TakeBack"/> says.
    /// </summary>
    /// <param name="rows">Rows that there are.</param>
    public virtual void Mark(int rows)
    {
    }

    /// <summary>
    /// Forgets rows from <paramref name="rows"/> on, as if they had never been appended, and what steps with them in sight have taught. So many rows were
    /// marked, unless no step has read since; or they are fewer than those of the prompt, which then is observed and ended again.
    /// </summary>
    public virtual void Truncate(int rows)
    {
    }

    /// <summary>
    /// How many rows will not be read again: asked between steps, if <see cref="AttentionPolicy.DropsRows"/>. When it is worth it, <see cref="Edit"/> is
    /// asked which.
    /// </summary>
    /// <param name="visible">The positions in sight of the next query.</param>
    public virtual int DroppableRows(KvHead head, (int First, int End) visible) => 0;

    /// <summary>
    /// Says which rows will not be read again, or live on in others: at the end of a prompt, and when <see cref="DroppableRows"/> are worth it. An answer,
    /// after which nothing has changed: <see cref="Edited"/> tells what was done.
    /// </summary>
    /// <param name="visible">The positions in sight of the next query.</param>
    /// <param name="edit">Arrives with every row staying.</param>
    public virtual void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
    {
    }

    /// <summary>
    /// Told that rows were dropped: the others are numbered anew, from 0 and in the order that they had. As it is, everything is forgotten, and what is left is
    /// indexed as if it were a prompt.
    /// </summary>
    /// <param name="head">With the rows that are left.</param>
    /// <param name="edit">What was done, which may be less than was asked for.</param>
    public virtual void Edited(KvHead head, RowEdit edit)
    {
        Truncate(0);
        Append(head, 0, head.RowCount);
        EndPrompt(head);
    }

    /// <summary>Gives the index back; called when the sequence ends or loses its rows, and never during a step.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
