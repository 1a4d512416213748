using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>
/// Weights as tiles: for every 32 columns, two tiles of sixteen weight rows each; a row of a tile holds two neighbouring columns of each
/// weight row.
/// </summary>
internal static unsafe class Bf16Pairs
{
    /// <summary>Bytes of two columns of sixteen weight rows.</summary>
    public const int PairBytes = 64;

    /// <summary>Bytes of 32 columns of sixteen weight rows: a tile.</summary>
    public const int TileBytes = 16 * PairBytes;

    /// <summary>Bytes of 32 columns of thirty-two weight rows.</summary>
    public const int StepBytes = 2 * TileBytes;

    /// <summary>Four columns of sixteen weight rows: code * scale + offset, where a lane has the unsigned codes of a weight row as bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<int> codes, Vector512<float> scale, Vector512<float> offset, byte* target)
    {
        var low = Vector512.Create(0xFF);
        var first = Scaled(codes & low, scale, offset);
        var second = Scaled(Vector512.ShiftRightLogical(codes, 8) & low, scale, offset);
        var third = Scaled(Vector512.ShiftRightLogical(codes, 16) & low, scale, offset);
        var fourth = Scaled(Vector512.ShiftRightLogical(codes, 24), scale, offset);
        Join(first, second).Store((uint*)target);
        Join(third, fourth).Store((uint*)(target + PairBytes));
    }

    /// <summary>Half-precision numbers, as many as lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(byte* halves) => LaneHalves<WordLanes512, Vector512<int>>.ToFloat(WordLanes512.LoadHalves((ushort*)halves)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scaled(Vector512<int> codes, Vector512<float> scale, Vector512<float> offset) =>
        Avx512F.FusedMultiplyAdd(Vector512.ConvertToSingle(codes), scale, offset);

    // Rounded to nearest, ties away from zero.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Join(Vector512<float> low, Vector512<float> high)
    {
        var half = Vector512.Create(0x8000u);
        return Vector512.ConditionalSelect(Vector512.Create(0xFFFF0000u), high.AsUInt32() + half, (low.AsUInt32() + half) >> 16);
    }
}
