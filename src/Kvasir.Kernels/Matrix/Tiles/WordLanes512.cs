using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Matrix.Tiles;

internal readonly unsafe struct WordLanes512 : IWordLanes<Vector512<int>>
{
    public static bool IsSupported => Vector512.IsHardwareAccelerated && Avx512BW.IsSupported;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWords(
        TileRows rows, int offset, out Vector512<int> word0, out Vector512<int> word1, out Vector512<int> word2, out Vector512<int> word3)
    {
        // Row 4 i + j goes to 128-bit part i of vector j; transposing each part then leaves the rows in order.
        var r0 = LoadParts(rows.First + offset, rows.Stride);
        var r1 = LoadParts(rows.First + offset + rows.Stride, rows.Stride);
        var r2 = LoadParts(rows.First + offset + 2 * rows.Stride, rows.Stride);
        var r3 = LoadParts(rows.First + offset + 3 * rows.Stride, rows.Stride);
        var low01 = Avx512F.UnpackLow(r0, r1).AsInt64();
        var low23 = Avx512F.UnpackLow(r2, r3).AsInt64();
        var high01 = Avx512F.UnpackHigh(r0, r1).AsInt64();
        var high23 = Avx512F.UnpackHigh(r2, r3).AsInt64();
        word0 = Avx512F.UnpackLow(low01, low23).AsInt32();
        word1 = Avx512F.UnpackHigh(low01, low23).AsInt32();
        word2 = Avx512F.UnpackLow(high01, high23).AsInt32();
        word3 = Avx512F.UnpackHigh(high01, high23).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Fill(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> FillFloat(float value) => Vector512.Create(value).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LoadHalves(ushort* source) => Avx512F.ConvertToVector512Int32(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LoadBytesAs16(sbyte* source) => Avx512BW.ConvertToVector512Int16(Vector256.Load(source)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> And(Vector512<int> x, Vector512<int> y) => x & y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Or(Vector512<int> x, Vector512<int> y) => x | y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Xor(Vector512<int> x, Vector512<int> y) => x ^ y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft(Vector512<int> x, int bits) => Vector512.ShiftLeft(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRight(Vector512<int> x, int bits) => Vector512.ShiftRightLogical(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft16(Vector512<int> x, int bits) => Vector512.ShiftLeft(x.AsInt16(), bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRight16(Vector512<int> x, int bits) => Vector512.ShiftRightArithmetic(x.AsInt16(), bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> PickBytes(Vector512<int> x, int places)
    {
        // The shuffle counts within 128 bits, so every lane adds where it begins; 128 keeps its top bit through the addition.
        var starts = Vector512.Create(Vector256.Create(Vector128.Create(0, 0x04040404, 0x08080808, 0x0C0C0C0C)));
        return Avx512BW.Shuffle(x.AsByte(), (starts | Vector512.Create(places)).AsByte()).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> DotBytes(Vector512<int> unsigned, Vector512<int> signed) =>
        Avx512BW.MultiplyAddAdjacent(unsigned.AsByte(), signed.AsSByte()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot16(Vector512<int> x, Vector512<int> y) => Avx512BW.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add16(Vector512<int> x, Vector512<int> y) => (x.AsInt16() + y.AsInt16()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add32(Vector512<int> x, Vector512<int> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Subtract32(Vector512<int> x, Vector512<int> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Multiply32(Vector512<int> x, Vector512<int> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ToFloat(Vector512<int> x) => Vector512.ConvertToSingle(x).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Multiply(Vector512<int> x, Vector512<int> y) => (x.AsSingle() * y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> x, Vector512<int> y, Vector512<int> z) =>
        Avx512F.FusedMultiplyAdd(x.AsSingle(), y.AsSingle(), z.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplySubtract(Vector512<int> x, Vector512<int> y, Vector512<int> z) =>
        Avx512F.FusedMultiplyAddNegated(x.AsSingle(), y.AsSingle(), z.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add(Vector512<int> x, Vector512<int> y) => (x.AsSingle() + y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Subtract(Vector512<int> x, Vector512<int> y) => (x.AsSingle() - y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> IsGreater32(Vector512<int> x, Vector512<int> y) => Vector512.GreaterThan(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SumFloats(Vector512<int> x) => Vector512.Sum(x.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> LoadParts(byte* row, nint stride)
    {
        var low = Vector256.Create(Vector128.Load((int*)row), Vector128.Load((int*)(row + 4 * stride)));
        var high = Vector256.Create(Vector128.Load((int*)(row + 8 * stride)), Vector128.Load((int*)(row + 12 * stride)));
        return low.ToVector512Unsafe().WithUpper(high);
    }
}
