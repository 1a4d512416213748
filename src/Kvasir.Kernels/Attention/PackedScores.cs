using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Scores of up to four queries and rows of one page whose channels have ranges in common: these are multiplied into the queries, and codes meet them as they
/// are. A lane is a row.
/// </summary>
internal readonly unsafe ref struct PackedScores<TBits, TLanes, V>
    where TBits : struct, IPackedBits
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    public const int Queries = 4;

    // 16 bytes of each row.
    private const int ColumnBytes = 16;
    private readonly float* _queries;
    private readonly float* _scaled;
    private readonly int _queryCount;
    private readonly int _padded;

    /// <param name="queries">[queryCount, dim]</param>
    /// <param name="queryCount">1 to 4.</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="space"><see cref="Floats"/> elements.</param>
    public PackedScores(float* queries, int queryCount, int dim, float factor, float* space)
    {
        _padded = RowBlocks.Count(dim) * RowBlocks.Elements;
        _queries = space;
        _scaled = space + Queries * _padded;
        _queryCount = queryCount;
        if (queryCount < Queries || dim < _padded)
            new Span<float>(space, Queries * _padded).Clear();
        for (var q = 0; q < queryCount; q++)
            Multiply(queries + q * dim, dim, factor, _queries + q * _padded);
    }

    /// <summary>[4, <see cref="Padded"/>]: times the factor; zeros behind the last element and the last query.</summary>
    public float* Scaled => _queries;

    public int QueryCount => _queryCount;

    /// <summary>Elements of a row as it is stored.</summary>
    public int Padded => _padded;

    /// <summary>Floats that queries of so many elements take.</summary>
    public static int Floats(int dim) => 2 * Queries * RowBlocks.Count(dim) * RowBlocks.Elements;

    /// <summary>scores[q * scoreStride + i] of rows that follow one another in a page.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="stride">Bytes from one row to the next.</param>
    /// <param name="count">Rows.</param>
    public void Score(StoredRow first, int stride, int count, float* scores, int scoreStride)
    {
        var biases = stackalloc float[Queries];
        Scale((float*)first.Scales, biases);
        var lower = (nint)(first.Lower - first.Codes);
        var rows = stackalloc byte*[TLanes.Count];
        var sums = stackalloc float[Queries * TLanes.Count];
        for (var i = 0; i < count; i += TLanes.Count)
        {
            var existing = Math.Min(TLanes.Count, count - i);
            for (var r = 0; r < TLanes.Count; r++)
                rows[r] = first.Codes + (i + Math.Min(r, existing - 1)) * stride;
            ScoreTile(rows, lower, stride, sums);
            for (var q = 0; q < _queryCount; q++)
            {
                for (var r = 0; r < existing; r++)
                    scores[(long)q * scoreStride + i + r] = sums[q * TLanes.Count + r] + biases[q];
            }
        }
    }

    private static void Multiply(float* query, int dim, float factor, float* scaled)
    {
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
            TLanes.Store(TLanes.Multiply(TLanes.Load(query + d), TLanes.Broadcast(factor)), scaled + d);
        for (; d < dim; d++)
            scaled[d] = query[d] * factor;
    }

    // scaled[q, d] = query times the channel's scale; an element is scale times what codes are loaded as, and what the least element is beside that.
    private void Scale(float* ranges, float* biases)
    {
        var zero = TLanes.Broadcast(0);
        var (a, b, c, e) = (zero, zero, zero, zero);
        for (nint d = 0; d < _padded; d += TLanes.Count)
        {
            var range = TLanes.Load(ranges + d);
            var scale = TLanes.LowerBf16(range);
            var rest = TLanes.Subtract(TLanes.UpperBf16(range), TLanes.Multiply(scale, TLanes.Broadcast(TBits.Origin)));
            a = Scale(0, d, scale, rest, a);
            b = Scale(1, d, scale, rest, b);
            c = Scale(2, d, scale, rest, c);
            e = Scale(3, d, scale, rest, e);
        }

        (biases[0], biases[1], biases[2], biases[3]) = (TLanes.Sum(a), TLanes.Sum(b), TLanes.Sum(c), TLanes.Sum(e));
    }

    private V Scale(int q, nint d, V scale, V rest, V bias)
    {
        var query = TLanes.Load(_queries + q * _padded + d);
        TLanes.Store(TLanes.Multiply(query, scale), _scaled + q * _padded + d);
        return TLanes.MultiplyAdd(query, rest, bias);
    }

    private void ScoreTile(byte** rows, nint lower, int rowBytes, float* scores)
    {
        var zero = TLanes.Broadcast(0);
        PackedSums<V> sums;
        (sums.A, sums.B, sums.C, sums.D) = (zero, zero, zero, zero);
        (sums.E, sums.F, sums.G, sums.H) = (zero, zero, zero, zero);
        var queries = _scaled;
        for (nint at = 0; at < rowBytes; at += ColumnBytes)
        {
            TLanes.LoadColumns(rows, at, out var w, out var x, out var y, out var z);
            if (TBits.Planes == 2)
            {
                TLanes.LoadColumns(rows, at + lower, out var k, out var l, out var m, out var n);
                queries = TBits.AddProducts<TLanes, V>((w, x), (k, l), queries, _padded, ref sums);
                queries = TBits.AddProducts<TLanes, V>((y, z), (m, n), queries, _padded, ref sums);
                continue;
            }

            queries = TBits.AddProducts<TLanes, V>(w, x, queries, _padded, ref sums);
            // A row of an odd number of blocks of 2 bits ends in the middle of 16 bytes; what lies behind is in the page.
            if (at + ColumnBytes / 2 < rowBytes)
                queries = TBits.AddProducts<TLanes, V>(y, z, queries, _padded, ref sums);
        }

        TLanes.Store(TLanes.Add(sums.A, sums.E), scores);
        TLanes.Store(TLanes.Add(sums.B, sums.F), scores + TLanes.Count);
        TLanes.Store(TLanes.Add(sums.C, sums.G), scores + 2 * TLanes.Count);
        TLanes.Store(TLanes.Add(sums.D, sums.H), scores + 3 * TLanes.Count);
    }
}
