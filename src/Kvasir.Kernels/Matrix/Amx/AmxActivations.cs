using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>
/// Activations as bf16 numbers in the order in which tiles are loaded: parts of 512 columns (the last may have fewer), in a part groups of thirty-two rows,
/// in a group steps of 32 columns, in a step the 64 bytes of each row. A part is in one piece, and so has its place in every set of a cache. For weights that
/// are bf16 numbers themselves an activation is the sum of two: a step has the first parts of all rows, then what rounding left of them, and a product loses no
/// more than one in single precision.
/// </summary>
internal static unsafe class AmxActivations
{
    /// <summary>Rows of a group: two tiles.</summary>
    public const int GroupRows = 32;

    /// <summary>Columns of a step: the numbers in a row of a tile.</summary>
    public const int StepColumns = 32;

    /// <summary>Bytes of a row and a step, of one part.</summary>
    public const int StepBytes = StepColumns * sizeof(ushort);

    /// <summary>Columns that are multiplied together, so that their weights stay in the first cache level and their activations in the second.</summary>
    public const int PartColumns = 512;

    private const int HalfStep = StepColumns / 2;

    /// <summary>Numbers that make up an activation.</summary>
    public static int Parts(ActivationKind kind) => kind == ActivationKind.BF16PairTiles ? 2 : 1;

    /// <summary>Rows in the group that row <paramref name="row"/> of a batch belongs to.</summary>
    public static int RowsOfGroup(int row, int batch) => Math.Min(GroupRows, batch - row / GroupRows * GroupRows);

    /// <summary>Bytes from the beginning to where the steps of a group begin.</summary>
    /// <param name="column">Of the first step.</param>
    /// <param name="columns">Of a row.</param>
    /// <param name="row">The first of the group.</param>
    public static long Offset(ActivationKind kind, int column, int columns, int row, int batch)
    {
        var partColumns = Math.Min(PartColumns, columns - column / PartColumns * PartColumns);
        var before = (long)(column / PartColumns * PartColumns) * batch + (long)row * partColumns + (long)(column % PartColumns) * RowsOfGroup(row, batch);
        return before * sizeof(ushort) * Parts(kind);
    }

    /// <summary>Rounds row <paramref name="row"/> of a batch into its place in <paramref name="prepared"/>, which is the whole batch's.</summary>
    /// <param name="values">Whole steps.</param>
    public static void Prepare(ActivationKind kind, ReadOnlySpan<float> values, int row, int batch, byte* prepared)
    {
        var (rows, slot, parts) = (RowsOfGroup(row, batch), row % GroupRows, Parts(kind));
        fixed (float* source = values)
        {
            for (var part = 0; part < values.Length; part += PartColumns)
            {
                var target = prepared + Offset(kind, part, values.Length, row - slot, batch) + slot * StepBytes;
                var end = Math.Min(part + PartColumns, values.Length);
                for (var column = part; column < end; column += StepColumns, target += parts * rows * StepBytes)
                {
                    var (low, high) = (Vector512.Load(source + column), Vector512.Load(source + column + HalfStep));
                    var (lowPart, highPart) = (Round(low), Round(high));
                    Store(lowPart, highPart, target);
                    if (parts == 2)
                        Store(Round(low - lowPart.AsSingle()), Round(high - highPart.AsSingle()), target + rows * StepBytes);
                }
            }
        }
    }

    /// <summary>The nearest bf16 number in the upper half of each lane, ties to even; NaN and infinities are kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var rounded = bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One);
        return Vector512.ConditionalSelect(Vector512.IsNaN(x).AsUInt32(), bits, rounded) & Vector512.Create(0xFFFF0000u);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<uint> low, Vector512<uint> high, byte* target)
    {
        Avx512F.ConvertToVector256UInt16(low >> 16).Store((ushort*)target);
        Avx512F.ConvertToVector256UInt16(high >> 16).Store((ushort*)target + HalfStep);
    }
}
