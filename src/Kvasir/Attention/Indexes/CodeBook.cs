using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

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
    private static readonly float[][] Patterns1 = [Pattern(Levels1, 0), Pattern(Levels1, 1), Pattern(Levels1, 2), Pattern(Levels1, 3)];
    private static readonly float[][] Patterns2 = [Pattern(Levels2, 0), Pattern(Levels2, 2)];
    private static readonly float[] Between2 = Between(Levels2);
    private static readonly float[] Between4 = Between(Levels4);
    private readonly int[] _order = new int[dim];
    private readonly double[] _mean = new double[dim];
    private readonly double[] _deviation = new double[dim];
    private readonly double[] _squares = new double[dim];
    private readonly float[] _key = new float[dim];
    private readonly byte[] _numbers = new byte[tableCount];

    // Elements that vary much are spread over the tables that are added in bytes.
    private readonly int[] _positions = Spread(tableCount);

    // Of places: the elements in order, those of as many bits from a multiple of 16 on, and zeros between.
    private readonly int[] _elements = new int[PlaceCount(dim)];
    private readonly float[] _centres = new float[PlaceCount(dim)];
    private readonly float[] _scales = new float[PlaceCount(dim)];
    private readonly float[] _places = new float[PlaceCount(dim)];
    private readonly int[] _levels = new int[PlaceCount(dim)];
    private readonly byte[] _signs = new byte[PlaceCount(dim) / KeyLevels.SignsPerNumber];
    private int _seen;
    private int _fourBits;
    private int _twoBits;
    private int _oneBit;

    /// <summary>Of so many rows, those that are looked at before any is coded.</summary>
    public static int RowsSeen(int rowCount) => Math.Min(rowCount, MostRowsSeen);

    /// <summary>Bytes of what was learnt.</summary>
    public static int BytesFor(int dim) => 2 * dim * sizeof(double);

    /// <summary>Writes what was learnt.</summary>
    public void Write(NativeView book)
    {
        _mean.CopyTo(book.Span<double>(0, dim));
        _deviation.CopyTo(book.Span<double>(dim * sizeof(double), dim));
    }

    /// <summary>Knows what another has learnt.</summary>
    public void Read(NativeView book)
    {
        book.Span<double>(0, dim).CopyTo(_mean);
        book.Span<double>(dim * sizeof(double), dim).CopyTo(_deviation);
        Settle();
    }

    /// <summary>Forgets what was learnt, of mean and deviation of every element.</summary>
    public void Begin()
    {
        _seen = 0;
        Array.Clear(_mean);
        Array.Clear(_squares);
    }

    /// <summary>
    /// Looks at some more of the first <paramref name="rowCount"/> rows: the next <paramref name="count"/> of <see cref="RowsSeen"/>. Behind the last, rows
    /// can be coded.
    /// </summary>
    public void Learn(PagedRows keys, int rowCount, int count)
    {
        var all = RowsSeen(rowCount);
        for (var end = _seen + count; _seen < end; _seen++)
        {
            keys.Decode((int)((long)_seen * rowCount / all), _key);
            for (var d = 0; d < dim; d++)
                (_mean[d], _squares[d]) = (_mean[d] + _key[d], _squares[d] + (double)_key[d] * _key[d]);
        }

        if (_seen == all)
            Conclude();
    }

    private void Conclude()
    {
        for (var d = 0; d < dim; d++)
        {
            _mean[d] /= _seen;
            _deviation[d] = Math.Sqrt(Math.Max(0, _squares[d] / _seen - _mean[d] * _mean[d]));
        }

        Settle();
    }

    private void Settle()
    {
        for (var d = 0; d < dim; d++)
            _order[d] = d;
        Array.Sort(_order, (left, right) => (-_deviation[left], left).CompareTo((-_deviation[right], right)));
        Divide();
        Arrange();
    }

    /// <summary>The numbers of one row's key, valid until the next call.</summary>
    public ReadOnlySpan<byte> Encode(PagedRows keys, int row)
    {
        keys.Decode(row, _key);
        var (two, one, end) = (Above(_fourBits), Above(_fourBits) + Above(_twoBits), Above(_fourBits) + Above(_twoBits) + Above(_oneBit));
        for (var i = 0; i < end; i++)
            _places[i] = _key[_elements[i]];
        KeyLevels.Of(Places(0, two), Between4, _levels.AsSpan(0, two));
        KeyLevels.Of(Places(two, one), Between2, _levels.AsSpan(two, one - two));
        KeyLevels.Signs(Places(one, end), _signs.AsSpan(0, (end - one) / KeyLevels.SignsPerNumber));
        for (var i = 0; i < _fourBits; i++)
            _numbers[_positions[i]] = (byte)_levels[i];
        for (var i = 0; i < _twoBits; i += 2)
            _numbers[_positions[_fourBits + i / 2]] = (byte)(_levels[two + i] | (_levels[two + i + 1] << 2));
        // Four signs are a number.
        var table = _fourBits + ((_twoBits + 1) / 2);
        for (var i = 0; i < (_oneBit + 3) / KeyLevels.SignsPerNumber; i++)
            _numbers[_positions[table + i]] = _signs[i];
        return _numbers;
    }

    /// <summary>tables[h, t, n] = what number n of table t adds to the score of a key for query h, less what is the same for all keys, in a unit.</summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="products">Room for [group, tables, 16].</param>
    /// <returns>u, where the unit is 2^u / <see cref="UnitsPerOne"/>: the least that does for all.</returns>
    public int Tables(ReadOnlySpan<float> queries, Span<float> products, Span<byte> tables)
    {
        products.Clear();
        for (var head = 0; head < queries.Length / dim; head++)
        {
            for (var i = 0; i < _fourBits + _twoBits + _oneBit; i++)
            {
                var (table, pattern) = Place(i);
                var d = _order[i];
                var own = products.Slice((head * tableCount + table) * CodeScan.TableEntries, CodeScan.TableEntries);
                // What each of the numbers says.
                CodeTables.Add(queries[head * dim + d] * (float)_deviation[d], pattern, own);
            }
        }

        // The most that tables say together whose entries are added in bytes, each twice what its lowest entry lacks to 0: levels are mirrored.
        var most = 0f;
        for (var at = 0; at < products.Length; at += CodeScan.TablesAtOnce * CodeScan.TableEntries)
        {
            var sum = 0f;
            for (var table = at; table < at + CodeScan.TablesAtOnce * CodeScan.TableEntries; table += CodeScan.TableEntries)
                sum -= 2 * CodeTables.Least(products[table..]);
            most = sum <= most ? most : sum;
        }

        var unit = 0;
        // Each entry may be rounded up.
        while (unit < MostShift && !(most * UnitsPerOne <= (CodeScan.MostSum - CodeScan.TablesAtOnce) << unit))
            unit++;
        CodeTables.Round(products, UnitsPerOne / (float)(1 << unit), unit < MostShift ? CodeScan.MostSum : CodeScan.MostSum / CodeScan.TablesAtOnce, tables);
        return unit;
    }

    private static int[] Spread(int tableCount)
    {
        var (positions, sums) = (new int[tableCount], tableCount / CodeScan.TablesAtOnce);
        for (var table = 0; table < tableCount; table++)
            positions[table] = table % sums * CodeScan.TablesAtOnce + table / sums;
        return positions;
    }

    private static int PlaceCount(int dim) => (dim + 4 * KeyLevels.Width) / KeyLevels.Width * KeyLevels.Width;

    private static int Above(int count) => (count + KeyLevels.Width - 1) / KeyLevels.Width * KeyLevels.Width;

    private static float[] Mirrored(float[] upper) => [.. upper.Reverse().Select(static x => -x), .. upper];

    private static float[] Between(float[] levels) => [.. levels.Zip(levels.Skip(1), static (lower, upper) => (lower + upper) / 2)];

    // What each number of a table says of the element whose bits begin at shift.
    private static float[] Pattern(float[] levels, int shift) =>
        [.. Enumerable.Range(0, CodeScan.TableEntries).Select(number => levels[(number >> shift) & (levels.Length - 1)])];

    private ScaledValues Places(int first, int end) => new(_places.AsSpan(first..end), _centres.AsSpan(first..end), _scales.AsSpan(first..end));

    private void Arrange()
    {
        Array.Clear(_numbers);
        Array.Clear(_scales);
        for (var i = 0; i < _fourBits + _twoBits + _oneBit; i++)
        {
            var at = i < _fourBits ? i
                : i < _fourBits + _twoBits ? Above(_fourBits) + i - _fourBits
                : Above(_fourBits) + Above(_twoBits) + i - _fourBits - _twoBits;
            var d = _order[i];
            (_elements[at], _centres[at], _scales[at]) = (d, (float)_mean[d], _deviation[d] > 0 ? (float)(1 / _deviation[d]) : 0);
        }
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

    // Of the i-th element in order: the place of its table, and what each of the table's numbers says of it.
    private (int Table, float[] Pattern) Place(int i)
    {
        if (i < _fourBits)
            return (_positions[i], Levels4);
        i -= _fourBits;
        if (i < _twoBits)
            return (_positions[_fourBits + i / 2], Patterns2[i % 2]);
        i -= _twoBits;
        return (_positions[_fourBits + (_twoBits + 1) / 2 + i / 4], Patterns1[i % 4]);
    }
}
