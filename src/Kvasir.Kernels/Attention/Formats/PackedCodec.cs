using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Codes of few bits (KIVI, arXiv 2402.02750), between the least and the largest element of a group: a channel of a page's 32 rows, or 32 elements of one
/// row. A group has a <see cref="PackedRange"/>, of 4 bytes. The newest rows are read as bf16 (<see cref="NewestRows"/>).
/// </summary>
internal sealed unsafe class PackedCodec<TBits>(bool byChannel)
    : RowCodec(ShareOf(TBits.Bits), TileForm.Narrowed, ByLanes(byChannel))
    where TBits : struct, IPackedBits
{
    public override bool SealsPages => true;

    public override bool KeepsNewest => true;

    internal override bool SharesScales => byChannel;

    internal override int SharedBytes(int dim) => byChannel ? PartsOf(dim).ScaleBytes : 0;

    internal override long OpenBytes(int dim, int pageTokens) => NewestRows.Bytes(dim);

    internal override OpenPage Open(int dim, int pageTokens, in RowLayout layout, int sharedAt) =>
        new OpenPacked<TBits>(dim, pageTokens, layout, this);

    internal override void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var parts = PartsOf(row.Length);
        var ranges = (uint*)stored.Scales;
        new Span<byte>(stored.Codes, parts.CodeBytes).Clear();
        new Span<byte>(stored.Scales, parts.ScaleBytes).Clear();
        var group = byChannel ? 1 : RowBlocks.Elements;
        for (var d = 0; d < row.Length; d += group)
        {
            var elements = row.Slice(d, Math.Min(group, row.Length - d));
            var (least, most) = (elements[0], elements[0]);
            foreach (var x in elements)
                (least, most) = (MathF.Min(least, x), MathF.Max(most, x));
            var range = PackedRange.Of(least, most, TBits.Bits);
            ranges[d / group] = range.Stored;
            for (var i = 0; i < elements.Length; i++)
                Put(stored.Codes, d + i, range.Code(elements[i], TBits.Bits));
        }
    }

    /// <summary>Sets the bits of an element, which are zeros.</summary>
    internal static void Put(byte* codes, int element, uint code)
    {
        var (word, shift) = TBits.Place(element);
        ((uint*)codes)[word] |= code << shift;
    }

    private protected override RowSizes PartsOf(int dim)
    {
        var blocks = RowBlocks.Count(dim);
        return new RowSizes(blocks * RowBlocks.Elements * TBits.Bits / 8, sizeof(uint) * (byChannel ? blocks * RowBlocks.Elements : blocks));
    }

    // A range is at most twice the largest magnitude, and what is lost in rounding its ends outward a 64th of that.
    private static double ShareOf(int bits) => (1 + 1.0 / 64) * (1 + 1.0 / 128) / ((1 << bits) - 1);

    private static Variant<RowKernels>[] ByLanes(bool byChannel) =>
    [
        new("scalar", true, new PackedKernels<TBits, FloatLanes1, float>(byChannel)),
        new("128", Vector128.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes128, Vector128<float>>(byChannel)),
        new("256", Vector256.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes256, Vector256<float>>(byChannel)),
        new("512", Vector512.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes512, Vector512<float>>(byChannel)),
        new("vnni", VnniPackedKernels<TBits>.IsSupported, new VnniPackedKernels<TBits>(byChannel)),
    ];
}

/// <summary>
/// Where the codes of a group lie, as two bf16 numbers: element = scale * (1 + code / 2^bits) + (least - scale). Its ends are rounded outward, so that no
/// element is off by more than half a step.
/// </summary>
/// <param name="Scale">Of 2^bits steps; NaN where an element was none or infinite, or the range is wider than a float.</param>
/// <param name="Least">The element of code 0.</param>
internal readonly record struct PackedRange(float Scale, float Least)
{
    private const float SmallestScale = 1e-35f;

    /// <summary>The scale in the lower half, the least element in the upper.</summary>
    public uint Stored => (BitConverter.SingleToUInt32Bits(Scale) >> 16) | (BitConverter.SingleToUInt32Bits(Least) & 0xFFFF0000);

    /// <summary>The range from a least to a largest element.</summary>
    public static PackedRange Of(float least, float most, int bits)
    {
        var low = RoundDown(least);
        var scale = (float)(((double)most - low) / ((1 << bits) - 1) * (1 << bits));
        var up = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(scale) + 0xFFFF) & 0xFFFF0000);
        if (!float.IsFinite(scale) || !float.IsFinite(up) || !float.IsFinite(low))
            return new PackedRange(float.NaN, 0);
        return new PackedRange(scale < SmallestScale ? 0 : up, low);
    }

    /// <summary>The code next to an element within the range.</summary>
    public uint Code(float element, int bits) =>
        Scale > 0 ? (uint)Math.Clamp(MathF.Round((element - Least) * ((1 << bits) / Scale)), 0, (1 << bits) - 1) : 0;

    // Towards minus infinity: of a negative number the magnitude grows.
    private static float RoundDown(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((value < 0 ? bits + 0xFFFF : bits) & 0xFFFF0000);
    }
}
