using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Matrix.Tiles;

internal readonly unsafe struct WordLanes256 : IWordLanes<Vector256<int>>
{
    public static bool IsSupported => Vector256.IsHardwareAccelerated && Avx2.IsSupported && Fma.IsSupported;

    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWords(
        TileRows rows, int offset, out Vector256<int> word0, out Vector256<int> word1, out Vector256<int> word2, out Vector256<int> word3)
    {
        // Row 4 i + j goes to 128-bit part i of vector j; transposing each part then leaves the rows in order.
        var r0 = LoadParts(rows.First + offset, rows.Stride);
        var r1 = LoadParts(rows.First + offset + rows.Stride, rows.Stride);
        var r2 = LoadParts(rows.First + offset + 2 * rows.Stride, rows.Stride);
        var r3 = LoadParts(rows.First + offset + 3 * rows.Stride, rows.Stride);
        var low01 = Avx2.UnpackLow(r0, r1).AsInt64();
        var low23 = Avx2.UnpackLow(r2, r3).AsInt64();
        var high01 = Avx2.UnpackHigh(r0, r1).AsInt64();
        var high23 = Avx2.UnpackHigh(r2, r3).AsInt64();
        word0 = Avx2.UnpackLow(low01, low23).AsInt32();
        word1 = Avx2.UnpackHigh(low01, low23).AsInt32();
        word2 = Avx2.UnpackLow(high01, high23).AsInt32();
        word3 = Avx2.UnpackHigh(high01, high23).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Fill(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> FillFloat(float value) => Vector256.Create(value).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LoadHalves(ushort* source) => Avx2.ConvertToVector256Int32(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LoadBytesAs16(sbyte* source) => Avx2.ConvertToVector256Int16(Vector128.Load(source)).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> And(Vector256<int> x, Vector256<int> y) => x & y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Or(Vector256<int> x, Vector256<int> y) => x | y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Xor(Vector256<int> x, Vector256<int> y) => x ^ y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft(Vector256<int> x, int bits) => Vector256.ShiftLeft(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRight(Vector256<int> x, int bits) => Vector256.ShiftRightLogical(x, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft16(Vector256<int> x, int bits) => Vector256.ShiftLeft(x.AsInt16(), bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRight16(Vector256<int> x, int bits) => Vector256.ShiftRightArithmetic(x.AsInt16(), bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> PickBytes(Vector256<int> x, int places)
    {
        // The shuffle counts within 128 bits, so every lane adds where it begins; 128 keeps its top bit through the addition.
        var starts = Vector256.Create(Vector128.Create(0, 0x04040404, 0x08080808, 0x0C0C0C0C));
        return Avx2.Shuffle(x.AsByte(), (starts | Vector256.Create(places)).AsByte()).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotBytes(Vector256<int> unsigned, Vector256<int> signed) =>
        Avx2.MultiplyAddAdjacent(unsigned.AsByte(), signed.AsSByte()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot16(Vector256<int> x, Vector256<int> y) => Avx2.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add16(Vector256<int> x, Vector256<int> y) => (x.AsInt16() + y.AsInt16()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add32(Vector256<int> x, Vector256<int> y) => x + y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Subtract32(Vector256<int> x, Vector256<int> y) => x - y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Multiply32(Vector256<int> x, Vector256<int> y) => x * y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ToFloat(Vector256<int> x) => Vector256.ConvertToSingle(x).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Multiply(Vector256<int> x, Vector256<int> y) => (x.AsSingle() * y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> x, Vector256<int> y, Vector256<int> z) =>
        Fma.MultiplyAdd(x.AsSingle(), y.AsSingle(), z.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplySubtract(Vector256<int> x, Vector256<int> y, Vector256<int> z) =>
        Fma.MultiplyAddNegated(x.AsSingle(), y.AsSingle(), z.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> x, Vector256<int> y) => (x.AsSingle() + y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Subtract(Vector256<int> x, Vector256<int> y) => (x.AsSingle() - y.AsSingle()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> IsGreater32(Vector256<int> x, Vector256<int> y) => Vector256.GreaterThan(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SumFloats(Vector256<int> x) => Vector256.Sum(x.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> LoadParts(byte* row, nint stride) =>
        Vector256.Create(Vector128.Load((int*)row), Vector128.Load((int*)(row + 4 * stride)));
}
