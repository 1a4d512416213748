using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// Chances of rows to be drawn, and the draw. A row's chance grows with what its coded key promises to the head of the group that wants it most, and is at
/// least a part of the mean, since codes may be wrong; where it would exceed 1 the row is sure. Rows are drawn independently: level + noise > threshold, with
/// noise of the exponential distribution, so that the chance is e^(level - threshold), and a lower threshold adds rows to those there are.
/// </summary>
internal sealed class RowChances(HeadPlace place, ulong seed)
{
    private const int GroupRows = CodeScan.GroupRows;
    private const int NoiseWords = 1 << 16;
    private const int NoiseRows = 4096;
    private const int MostLookedAt = 1024;
    private const int Rounds = 4;

    // The level of a row that has all of the mass.
    private const int Whole = 28672;
    private const int MostThreshold = 2 * Whole;
    private const float LeastOfMean = 0.25f;

    // In units of 1 / 256: every number of 16 bits once, so that chances are exact when the place to begin is drawn; the first ones once more at the end.
    private static readonly ushort[] Noise = MakeNoise();
    private readonly ushort[] _shifts = new ushort[place.GroupHeads];
    private SelectorScratch? _scratch;
    private (int First, int End) _rows;
    private ulong _seed;
    private int _firstThreshold;
    private int _threshold;
    private int _shift;

    /// <summary>The first row of the bitmaps: a multiple of 64.</summary>
    private int FirstRow => _rows.First / GroupRows * GroupRows;

    private int Groups => (_rows.End - FirstRow + GroupRows - 1) / GroupRows;

    private int Stride => Groups * GroupRows;

    private float Unit => (float)(1 << _shift) / CodeBook.UnitsPerOne;

    // Scratch holds scores of every row in two bytes for each head, later free; levels of rows; a bitmap; and numbers for some of the rows.
    private int LevelsAt => place.GroupHeads * Stride / 2;

    private int BitsAt => LevelsAt + Stride / 2;

    private int FreeAt => BitsAt + 2 * Groups;

    private Span<ushort> Levels => _scratch!.Elements<ushort>(LevelsAt, Stride);

    /// <summary>The rows that were drawn.</summary>
    public RowBits Drawn => new(_scratch!.Elements<ulong>(BitsAt, Groups), FirstRow);

    /// <summary>Room for numbers as long as levels are known: for two for every query head and a quarter of the rows.</summary>
    public Span<float> Lower(int count)
    {
        Invariant.Holds(count <= LevelsAt);
        return _scratch!.Floats(count);
    }

    /// <summary>Room for more numbers: one for every row.</summary>
    public Span<float> Upper(int count) => _scratch!.Floats(FreeAt + count)[FreeAt..];

    /// <summary>Starts on the rows [First, End) of <paramref name="rows"/>, so that about <paramref name="wanted"/> would be drawn.</summary>
    public void Begin(in HeadQuery query, (int First, int End) rows, KeyCodes codes, int wanted)
    {
        (_scratch, _rows, _seed, _shift) = (query.Scratch, rows, CounterNoise.Seed(seed, query.EndPosition, 0), 0);
        var coded = Math.Min(rows.End, codes.Count) - FirstRow;
        var levels = Levels;
        if (rows.First < FirstRow + coded)
        {
            var groups = (coded + GroupRows - 1) / GroupRows;
            var scores = _scratch.Elements<ushort>(0, place.GroupHeads * Stride);
            _shift = codes.Score(query.Queries, FirstRow / GroupRows, groups, scores, Stride);
            Shift(scores[(rows.First - FirstRow)..], FirstRow + coded - rows.First);
            CodeScan.Best(scores, Stride, _shifts, Least(), levels[..(groups * GroupRows)]);
            levels[coded..].Fill(Least());
        }
        else
        {
            levels.Fill(Least());
        }

        Aim(wanted);
    }

    /// <summary>The factor of chances that comes nearest to <paramref name="factor"/> and is not below it.</summary>
    public double Rounded(double factor) => Math.Exp(Lowering(factor) * (double)Unit);

    /// <summary>Draws with chances <paramref name="factor"/> times as large as they were at first: what is drawn with smaller ones is drawn again.</summary>
    /// <returns>How many rows are drawn.</returns>
    public int Draw(double factor)
    {
        _threshold = Math.Max(0, _firstThreshold - Lowering(factor));
        var drawn = Drawn;
        for (var row = 0; row < Stride; row += NoiseRows)
        {
            var count = Math.Min(NoiseRows, Stride - row);
            var start = (int)(CounterNoise.Word(_seed, (ulong)(row / NoiseRows)) % NoiseWords);
            CodeScan.Mark(
                Levels.Slice(row, count), Noise.AsSpan(start, count), _shift, (ushort)_threshold, drawn.Words.Slice(row / GroupRows, count / GroupRows));
        }

        drawn.Trim(_rows.First, _rows.End);
        return drawn.Count;
    }

    /// <summary>logs[i] = minus the log of the chance of row rows[i]: 0 where it was sure.</summary>
    public void LogWeights(in RowSet rows, Span<float> logs)
    {
        var levels = Levels;
        var (sure, unit, first) = (_threshold + 1, Unit, FirstRow);
        for (var i = 0; i < rows.Count; i++)
            logs[i] = Math.Max(0, sure - levels[rows[i] - first]) * unit;
    }

    private static ushort[] MakeNoise()
    {
        var order = new ushort[NoiseWords];
        for (var i = 0; i < order.Length; i++)
        {
            var other = (int)(CounterNoise.Word(0, (ulong)i) % ((ulong)i + 1));
            (order[i], order[other]) = (order[other], (ushort)i);
        }

        var noise = new ushort[NoiseWords + NoiseRows];
        for (var i = 0; i < noise.Length; i++)
            noise[i] = (ushort)(-Math.Log((order[i % NoiseWords] + 0.5) / NoiseWords) * CodeBook.UnitsPerOne);
        return noise;
    }

    private int Lowering(double factor) => (int)Math.Ceiling(Math.Log(factor) / Unit);

    private ushort Least() => (ushort)Math.Clamp(Whole + MathF.Log(LeastOfMean / (_rows.End - _rows.First)) / Unit, 0, Whole);

    // Makes scores of heads comparable: by their share of the head's mass, as the codes of some rows tell it.
    private void Shift(ReadOnlySpan<ushort> scores, int rows)
    {
        var looked = Upper(Math.Min(rows, MostLookedAt));
        for (var head = 0; head < _shifts.Length; head++)
        {
            Look(scores.Slice(head * Stride, rows), looked);
            var max = VectorMath.Max(looked);
            var mass = Softmax.Exponentials(looked, max) * rows / looked.Length;
            _shifts[head] = (ushort)(Whole - (int)((max + MathF.Log(mass)) / Unit));
        }
    }

    // The threshold at which chances add up to as much as is wanted, by some of the rows.
    private void Aim(int wanted)
    {
        var rows = _rows.End - _rows.First;
        var looked = Upper(Math.Min(rows, MostLookedAt));
        Look(Levels.Slice(_rows.First - FirstRow, rows), looked);
        var max = VectorMath.Max(looked);
        Softmax.Exponentials(looked, max);
        var aim = (float)wanted * looked.Length / rows;
        var factor = 0f;
        for (var round = 0; round < Rounds; round++)
        {
            var (sure, sum) = ChanceSums.Below(looked, 1 / factor);
            factor = MathF.Max(factor, sum > 0 ? (aim - sure) / sum : 0);
        }

        _firstThreshold = Math.Clamp((int)((max - MathF.Log(factor)) / Unit), 0, MostThreshold);
    }

    private void Look(ReadOnlySpan<ushort> levels, Span<float> looked)
    {
        // In 2^16ths.
        var step = ((long)levels.Length << 16) / looked.Length;
        var at = 0L;
        for (var i = 0; i < looked.Length; i++, at += step)
            looked[i] = levels[(int)(at >> 16)] * Unit;
    }
}
