using Kvasir.Attention.Marks;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Observation;

/// <summary>How much attention each cached row collected from the newest query rows. How the past fades is what the forms of it differ in.</summary>
/// <param name="marks">Marks for which sums are kept.</param>
internal abstract class CollectedAttention(HeadPlace place, int marks) : IDisposable
{
    // Shorter runs of rows are added one by one.
    private const int LeastRun = 16;
    private readonly int _groupHeads = place.GroupHeads;

    public virtual long Bytes => Sums.Bytes;

    protected MarkedSums Sums { get; } = new(place, marks);

    /// <summary>What weights are multiplied by before they are added.</summary>
    protected virtual float Unit => 1;

    /// <summary>New rows have collected nothing.</summary>
    public void Append(int firstRow, int rowCount) => Sums.Append(firstRow, rowCount);

    /// <inheritdoc cref="Selector.EndPrompt"/>
    public virtual void EndPrompt(int rows) => Sums.EndPrompt(rows);

    /// <inheritdoc cref="Selector.Mark"/>
    public abstract void Mark(int rows);

    /// <inheritdoc cref="Selector.Truncate"/>
    public virtual void Truncate(int rows) => Sums.Truncate(rows);

    /// <summary>Follows rows that were numbered anew; none are marked.</summary>
    public virtual void Edited(RowEdit edit) => Sums.Edited(edit);

    /// <summary>Starts on the weights of a query; those of <paramref name="windowRows"/> queries count.</summary>
    /// <param name="position">Of the query.</param>
    public abstract void Begin(int position, int windowRows);

    /// <summary>Adds the weights that all heads of the group gave to some rows.</summary>
    /// <param name="weights">[group, stride]</param>
    /// <param name="factors">[group]: what a head's weights are multiplied by.</param>
    public void Add(in RowSet rows, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> factors)
    {
        for (var at = 0; at < rows.Count;)
        {
            var end = at + 1;
            while (end < rows.Count && rows[end] == rows[end - 1] + 1)
                end++;
            if (end - at >= LeastRun)
                AddRun((rows[at], end - at), weights[at..], stride, factors);
            else
                AddEach((rows[at], end - at), weights[at..], stride, factors);
            at = end;
        }
    }

    /// <summary>Brings the sums up to date; <see cref="NumbersAbove"/> reads them.</summary>
    public abstract void Settle(int windowRows);

    /// <summary>Lists the rows in [first, end) whose sums are above a limit, in ascending order, with their sums; says how many.</summary>
    public int Above(float limit, (int First, int End) among, Span<int> rows, Span<float> sums)
    {
        var count = 0;
        for (var row = among.First; row < among.End;)
        {
            var page = Sums.From(row);
            page = page[..Math.Min(page.Length, among.End - row)];
            count += Kernels.Elementwise.NumbersAbove.Find(page, limit, row, rows[count..], sums[count..]);
            row += page.Length;
        }

        return count;
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => Sums.Dispose();

    /// <summary>Where the weights of <paramref name="row"/> and those behind it are added to, as far as a page goes.</summary>
    protected abstract Span<float> Target(int row);

    private void AddRun((int First, int Count) run, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> factors)
    {
        var unit = Unit;
        for (var done = 0; done < run.Count;)
        {
            var target = Target(run.First + done);
            var count = Math.Min(target.Length, run.Count - done);
            for (var head = 0; head < _groupHeads; head++)
                VectorMath.AddScaled(unit * factors[head], weights.Slice(head * stride + done, count), target[..count]);
            done += count;
        }
    }

    private void AddEach((int First, int Count) run, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> factors)
    {
        var unit = Unit;
        for (var i = 0; i < run.Count; i++)
        {
            var sum = 0f;
            for (var head = 0; head < _groupHeads; head++)
                sum += factors[head] * weights[head * stride + i];
            Target(run.First + i)[0] += unit * sum;
        }
    }
}
