using Kvasir.Kernels.Attention;

namespace Kvasir.Attention;

/// <summary>
/// How keys of one head are coded in few bits: elements are rounded to the levels that suit normal numbers, those that vary most to 16 levels, those that vary
/// less to four or two, the rest to none. Four bits together are a number for <see cref="CodeScan"/>.
/// </summary>
internal sealed class CodeBook(int dim, int tableCount)
{
    /// <summary>Of the finest unit of scores in 1.</summary>
    public const int UnitsPerOne = 256;

    // Beyond it scores are so far apart that nothing but the best matters.
    private const int MostShift = 12;
    private const int MostRowsSeen = 4096;

    // Of a normal number rounded to 2^b levels: mean square error, for b = 0 to 4, and the levels above zero (Lloyd, Max).
    private static readonly double[] Errors = [1, 0.3634, 0.1175, double.NaN, 0.0095];
    private static readonly float[] Levels1 = Mirrored([0.7979f]);
    private static readonly float[] Levels2 = Mirrored([0.4528f, 1.510f]);
    private static readonly float[] Levels4 = Mirrored([0.1284f, 0.3881f, 0.6568f, 0.9424f, 1.256f, 1.618f, 2.069f, 2.733f]);
    private readonly int[] _order = new int[dim];
    private readonly float[] _mean = new float[dim];
    private readonly float[] _deviation = new float[dim];
    private readonly float[] _key = new float[dim];
    private readonly byte[] _numbers = new byte[tableCount];
    private int _fourBits;
    private int _twoBits;
    private int _oneBit;

    /// <summary>Learns mean and deviation of every element from the keys of rows [<paramref name="first"/>, <paramref name="end"/>), or of some of them.</summary>
    public void Learn(PagedRows keys, int first, int end)
    {
        var count = Math.Min(end - first, MostRowsSeen);
        var (sum, squares) = (new double[dim], new double[dim]);
        for (var i = 0; i < count; i++)
        {
            keys.Decode(first + (int)((long)i * (end - first) / count), _key);
            for (var d = 0; d < dim; d++)
                (sum[d], squares[d]) = (sum[d] + _key[d], squares[d] + (double)_key[d] * _key[d]);
        }

        for (var d = 0; d < dim; d++)
        {
            _order[d] = d;
            _mean[d] = (float)(sum[d] / count);
            _deviation[d] = (float)Math.Sqrt(Math.Max(0, squares[d] / count - sum[d] / count * (sum[d] / count)));
        }

        Array.Sort(_order, (left, right) => (-_deviation[left], left).CompareTo((-_deviation[right], right)));
        Divide();
    }

    /// <summary>The numbers of one row's key, valid until the next call.</summary>
    public ReadOnlySpan<byte> Encode(PagedRows keys, int row)
    {
        keys.Decode(row, _key);
        Array.Clear(_numbers);
        for (var i = 0; i < _fourBits + _twoBits + _oneBit; i++)
        {
            var (table, shift, levels) = Place(i);
            var d = _order[i];
            _numbers[table] |= (byte)(Nearest(levels, (_key[d] - _mean[d]) / _deviation[d]) << shift);
        }

        return _numbers;
    }

    /// <summary>tables[h, t, n] = what number n of table t adds to the score of a key for query h, less what is the same for all keys, in a unit.</summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="products">Room for [group, tables, 16].</param>
    /// <returns>u, where the unit is 2^u / <see cref="UnitsPerOne"/>: the least that does for all.</returns>
    public int Tables(ReadOnlySpan<float> queries, Span<float> products, Span<byte> tables)
    {
        products.Clear();
        for (var i = 0; i < _fourBits + _twoBits + _oneBit; i++)
        {
            var (table, shift, levels) = Place(i);
            for (var head = 0; head < queries.Length / dim; head++)
            {
                var slope = queries[head * dim + _order[i]] * _deviation[_order[i]];
                var own = products.Slice((head * tableCount + table) * CodeScan.TableEntries, CodeScan.TableEntries);
                for (var number = 0; number < own.Length; number++)
                    own[number] += slope * levels[(number >> shift) & (levels.Length - 1)];
            }
        }

        var most = 0f;
        for (var at = 0; at < products.Length; at += CodeScan.TableEntries)
        {
            var (least, largest) = Range(products.Slice(at, CodeScan.TableEntries));
            most = MathF.Max(most, largest - least);
        }

        var unit = 0;
        while (unit < MostShift && most * UnitsPerOne > CodeScan.MostEntry << unit)
            unit++;
        var factor = UnitsPerOne / (float)(1 << unit);
        for (var at = 0; at < products.Length; at += CodeScan.TableEntries)
        {
            var least = Range(products.Slice(at, CodeScan.TableEntries)).Least;
            for (var i = at; i < at + CodeScan.TableEntries; i++)
                tables[i] = (byte)Math.Clamp(MathF.Round((products[i] - least) * factor), 0, CodeScan.MostEntry);
        }

        return unit;
    }

    private static float[] Mirrored(float[] upper) => [.. upper.Reverse().Select(static x => -x), .. upper];

    private static (float Least, float Largest) Range(ReadOnlySpan<float> values)
    {
        var (least, largest) = (values[0], values[0]);
        foreach (var value in values)
            (least, largest) = (MathF.Min(least, value), MathF.Max(largest, value));
        return (least, largest);
    }

    private static int Nearest(ReadOnlySpan<float> levels, float value)
    {
        var at = 0;
        for (var step = levels.Length / 2; step > 0; step /= 2)
        {
            if (value > (levels[at + step - 1] + levels[at + step]) / 2)
                at += step;
        }

        return at;
    }

    // The division whose error is least when queries vary as keys do: an element then weighs as the square of its variance.
    private void Divide()
    {
        // errors[b, n]: of the first n elements in order, with b bits each.
        var errors = new double[Errors.Length, dim + 1];
        for (var bits = 0; bits < Errors.Length; bits++)
        {
            for (var i = 0; i < dim; i++)
                errors[bits, i + 1] = errors[bits, i] + Errors[bits] * Math.Pow(_deviation[_order[i]], 4);
        }

        var best = double.PositiveInfinity;
        for (var four = 0; four <= Math.Min(tableCount, dim); four++)
        {
            for (var pairs = 0; four + pairs <= tableCount; pairs++)
            {
                var two = Math.Min(2 * pairs, dim - four);
                var one = Math.Min(4 * (tableCount - four - pairs), dim - four - two);
                var error = errors[4, four] + errors[2, four + two] - errors[2, four] + errors[1, four + two + one] - errors[1, four + two]
                    + errors[0, dim] - errors[0, four + two + one];
                if (error < best)
                    (best, _fourBits, _twoBits, _oneBit) = (error, four, two, one);
            }
        }
    }

    // Of the i-th element in order: its table, where its bits begin in the number, and its levels.
    private (int Table, int Shift, float[] Levels) Place(int i)
    {
        if (i < _fourBits)
            return (i, 0, Levels4);
        i -= _fourBits;
        if (i < _twoBits)
            return (_fourBits + i / 2, i % 2 * 2, Levels2);
        i -= _twoBits;
        return (_fourBits + (_twoBits + 1) / 2 + i / 4, i % 4, Levels1);
    }
}
