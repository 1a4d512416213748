using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// The keys or the values of the page that a head is writing to, where a page's rows share a range for each channel. Rows are kept as they came, and all are
/// stored again with every row: so an element is off by half a step of its channel, whatever came when. Rows that were read back from a page may be off by half
/// a step more.
/// </summary>
internal sealed unsafe class OpenChannels : OpenPage
{
    private const int Unknown = -1;
    private readonly int _dim;
    private readonly int _padded;
    private readonly RowLayout _layout;
    private readonly int _headerByte;

    // Beyond a row's elements zeros.
    private readonly float[] _floats;
    private readonly int _pageTokens;
    private int _count = Unknown;

    /// <param name="sharedAt">Offset in a page of the steps and zeros.</param>
    internal OpenChannels(int dim, int pageTokens, in RowLayout layout, int sharedAt)
    {
        (_dim, _padded, _pageTokens) = (dim, RowBlocks.Count(dim) * RowBlocks.Elements, pageTokens);
        (_layout, _headerByte) = (layout, sharedAt);
        _floats = new float[(pageTokens + Rows.ChannelRows) * _padded];
    }

    /// <summary>Bytes of a step and a zero for every channel.</summary>
    internal static int SharedBytes(int dim) => 2 * sizeof(float) * RowBlocks.Count(dim) * RowBlocks.Elements;

    /// <summary>Bytes of memory that it takes beside the page's own.</summary>
    internal static long Bytes(int dim, int pageTokens) => sizeof(float) * (pageTokens + Rows.ChannelRows) * (long)RowBlocks.Count(dim) * RowBlocks.Elements;

    /// <summary>Stores a row, and those before it in the page anew.</summary>
    public override void Append(ReadOnlySpan<float> row, int number, Span<byte> page)
    {
        Lengths.RequireEqual(row.Length, _dim, nameof(row));
        Lengths.RequireAtLeast(page.Length, _headerByte + SharedBytes(_dim), nameof(page));
        var index = number % _pageTokens;
        fixed (float* floats = _floats)
        {
            fixed (byte* p = page)
            {
                var rows = new Rows(floats, _pageTokens, _padded);
                if (index > 0 && _count != index)
                    Resume(rows, p, index);
                row.CopyTo(new Span<float>(rows.Row(index), _dim));
                Widen(rows, index);
                Store(rows, p, index + 1);
                _count = index + 1;
            }
        }
    }

    public override void Truncate(int rowCount) => _count = Unknown;

    public override void Move(int first, int count)
    {
        // Whole pages: a row's place in its own stays.
    }

    // What is left of a page after some rows were taken back: elements as they are stored, and the steps of all that were.
    private void Resume(in Rows rows, byte* page, int count)
    {
        var header = (float*)(page + _headerByte);
        for (var row = 0; row < count; row++)
        {
            RowCodec.Int8.Decode(new StoredRow(Codes(page, row), null), new Span<float>(rows.Row(row), _dim));
            Widen(rows, row);
        }

        for (var channel = 0; channel < _padded; channel++)
        {
            var group = header + channel + (channel & -KvInt8Codec.ChannelGroup);
            Cover(rows, channel, new Int8Range(group[0], group[KvInt8Codec.ChannelGroup]));
        }
    }

    private void Widen(in Rows rows, int index)
    {
        var row = rows.Row(index);
        for (var d = 0; d < _padded; d += Vector256<float>.Count)
        {
            var x = Vector256.Load(row + d);
            // The first row is its own range; a NaN stays in it.
            (index == 0 ? x : Vector256.Min(Vector256.Load(rows.Least + d), x)).Store(rows.Least + d);
            (index == 0 ? x : Vector256.Max(Vector256.Load(rows.Most + d), x)).Store(rows.Most + d);
        }
    }

    // Half a step beyond the outermost codes an element is off by no more than half a step. A range without width covers only itself.
    private static void Cover(in Rows rows, int channel, Int8Range range)
    {
        var isFlat = range.Step == 1 && range.Zero == -rows.Least[channel];
        rows.Low[channel] = isFlat ? rows.Least[channel] : (-128.5f - range.Zero) * range.Step;
        rows.High[channel] = isFlat ? rows.Most[channel] : (127.5f - range.Zero) * range.Step;
        (rows.Inverses[channel], rows.Zeros[channel]) = (1 / range.Step, range.Zero);
    }

    private void Store(in Rows rows, byte* page, int count)
    {
        var header = (float*)(page + _headerByte);
        for (var channel = 0; channel < _padded; channel++)
        {
            // Steps that still serve stay, so that rows which come and go leave the others as they are.
            if (count > 1 && rows.Least[channel] >= rows.Low[channel] && rows.Most[channel] <= rows.High[channel])
                continue;
            var range = Int8Range.Of(rows.Least[channel], rows.Most[channel]);
            Cover(rows, channel, range);
            var group = header + channel + (channel & -KvInt8Codec.ChannelGroup);
            (group[0], group[KvInt8Codec.ChannelGroup]) = (range.Step, range.Zero);
        }

        for (var row = 0; row < count; row++)
        {
            var stored = Codes(page, row);
            ((float*)stored)[0] = 0;
            ((int*)stored)[1] = (int)((byte*)header - stored);
            Int8Codes.Encode(rows.Row(row), rows.Inverses, rows.Zeros, _padded, (sbyte*)stored + KvInt8Codec.HeadBytes);
        }
    }

    private byte* Codes(byte* page, int row) => page + _layout.FirstCode + row * _layout.Stride;

    // The buffer by its parts: rows as they came, and for each channel what they span, what its codes cover, and how they are made.
    private readonly ref struct Rows(float* floats, int pageTokens, int padded)
    {
        public const int ChannelRows = 6;

        public float* Least { get; } = floats + pageTokens * padded;

        public float* Most => Least + padded;

        public float* Low => Least + 2 * padded;

        public float* High => Least + 3 * padded;

        public float* Inverses => Least + 4 * padded;

        public float* Zeros => Least + 5 * padded;

        public float* Row(int index) => floats + index * padded;
    }
}
