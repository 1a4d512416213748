using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Dropping;

/// <summary>Rows that are merged (KVMerger, sections 4.2 and 4.3): which lie in a set together, which of them stays, and how much each counts in it.</summary>
/// <param name="similarity">The least cosine of the keys of two neighbours in a set.</param>
/// <param name="sigma">Of the Gauss function of the distance of keys.</param>
internal sealed class MergedSets(float similarity, float sigma)
{
    // A weight that is nothing beside the row that stays, and still a share of the mean.
    private const double LeastWeight = 1e-30;

    /// <summary>Finds the sets among some rows and has all but one row of each merged into that one.</summary>
    /// <param name="sums">[at least to the end of the rows]: the attention that each row collected.</param>
    /// <param name="heavy">Rows of the largest sums that are in no set: fewer than there are.</param>
    public void Find(KvHead head, (int First, int End) among, Span<float> sums, int heavy, RowEdit edit)
    {
        var limit = heavy == 0 ? float.PositiveInfinity : LargestNumbers.Largest(sums[among.First..among.End], heavy);
        var own = sums[among.First..among.End];
        // Of rows with equal sums the newest are the heavier ones.
        var ties = heavy;
        foreach (var sum in own)
            ties -= sum > limit ? 1 : 0;
        for (var i = own.Length - 1; i >= 0; i--)
        {
            if (own[i] > limit || (own[i] == limit && ties-- > 0))
                own[i] = float.NaN;
        }

        var (key, next) = (new float[head.Dim], new float[head.Dim]);
        for (var first = among.First; first < among.End;)
        {
            var end = first + 1;
            head.Keys.Decode(first, key);
            while (end < among.End && !float.IsNaN(sums[end - 1]) && !float.IsNaN(sums[end]))
            {
                head.Keys.Decode(end, next);
                if (!AreAlike(key, next))
                    break;
                (key, next) = (next, key);
                end++;
            }

            if (end - first > 1)
                Merge(head, (first, end), sums, edit);
            first = end;
        }
    }

    private bool AreAlike(ReadOnlySpan<float> key, ReadOnlySpan<float> next)
    {
        var lengths = Math.Sqrt((double)VectorMath.Dot(key, key) * VectorMath.Dot(next, next));
        return VectorMath.Dot(key, next) >= similarity * lengths;
    }

    private void Merge(KvHead head, (int First, int End) set, ReadOnlySpan<float> sums, RowEdit edit)
    {
        var pivot = set.First;
        for (var row = set.First; row < set.End; row++)
            pivot = sums[row] >= sums[pivot] ? row : pivot;
        edit.Drop(set.First, pivot - set.First);
        edit.Drop(pivot + 1, set.End - pivot - 1);
        var (centre, key, weights) = (new float[head.Dim], new float[head.Dim], 1.0);
        head.Keys.Decode(pivot, centre);
        for (var row = set.First; row < set.End; row++)
        {
            if (row == pivot)
                continue;
            head.Keys.Decode(row, key);
            var weight = Math.Max(Weight(centre, key), LeastWeight);
            weights += weight;
            edit.Merge(row, pivot, (float)(weight / weights));
        }
    }

    private double Weight(ReadOnlySpan<float> centre, ReadOnlySpan<float> key)
    {
        var distance = 0.0;
        for (var i = 0; i < key.Length; i++)
            distance += ((double)centre[i] - key[i]) * ((double)centre[i] - key[i]);
        return Math.Exp(-distance / (2.0 * sigma * sigma));
    }
}
