using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix;

internal unsafe delegate void QuantizeKernel(float* row, int columns, byte* prepared);

/// <summary>
/// Prepares activations once per row, for every matrix of the same kind. The integers and scales are llama.cpp's (q8_0 with its
/// half-precision scale, q8_K), since its logits are the yardstick; rounding is to nearest, ties to even.
/// </summary>
public static unsafe class Activations
{
    internal static readonly Variant<QuantizeKernel>[] Block32Variants =
        [new("scalar", true, Block32Quantizer.Scalar), new("256", Vector256.IsHardwareAccelerated, Block32Quantizer.Wide256)];

    internal static readonly Variant<QuantizeKernel>[] Block256Variants =
        [new("scalar", true, Block256Quantizer.Scalar), new("256", Vector256.IsHardwareAccelerated, Block256Quantizer.Wide256)];

    /// <summary>The form that a product with weights of this type expects.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type is not one of <see cref="WeightType"/>'s.</exception>
    public static ActivationKind KindOf(WeightType type) => WeightLayout.BlockElements(type) switch
    {
        1 => ActivationKind.F32,
        Q8Block32Row.BlockElements => ActivationKind.Q8Block32,
        _ => ActivationKind.Q8Block256,
    };

    /// <summary>Bytes of one prepared row; a multiple of 4.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The columns are negative, not whole blocks, or too many for a row below 2 GiB.</exception>
    public static int RowBytes(ActivationKind kind, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        var bytes = kind switch
        {
            ActivationKind.F32 => (long)columns * sizeof(float),
            ActivationKind.Q8Block32 => Q8Block32Row.Bytes(WholeBlocks(columns, Q8Block32Row.BlockElements)),
            ActivationKind.Q8Block256 => Q8Block256Row.Bytes(WholeBlocks(columns, Q8Block256Row.BlockElements)),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), $"{kind} is not an activation kind"),
        };
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, int.MaxValue, nameof(columns));
        return (int)bytes;
    }

    /// <summary>
    /// Fills <paramref name="prepared"/>, exactly <see cref="RowBytes"/> long, from a row of whole blocks. A block with a NaN or
    /// an infinity gives useless results, not a fault.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The lengths do not match, or the row is not whole blocks.</exception>
    public static void Prepare(ActivationKind kind, ReadOnlySpan<float> row, Span<byte> prepared)
    {
        var bytes = RowBytes(kind, row.Length);
        if (prepared.Length != bytes)
            throw new ArgumentOutOfRangeException(nameof(prepared), $"{row.Length} activations take {bytes} bytes as {kind}, not {prepared.Length}");

        fixed (float* source = row)
        fixed (byte* destination = prepared)
        {
            if (kind == ActivationKind.F32)
                Buffer.MemoryCopy(source, destination, bytes, bytes);
            else if (kind == ActivationKind.Q8Block32)
                QuantizeBlock32(source, row.Length, destination);
            else
                QuantizeBlock256(source, row.Length, destination);
        }
    }

    private static void QuantizeBlock32(float* row, int columns, byte* prepared)
    {
        if (Vector256.IsHardwareAccelerated)
            Block32Quantizer.Wide256(row, columns, prepared);
        else
            Block32Quantizer.Scalar(row, columns, prepared);
    }

    private static void QuantizeBlock256(float* row, int columns, byte* prepared)
    {
        if (Vector256.IsHardwareAccelerated)
            Block256Quantizer.Wide256(row, columns, prepared);
        else
            Block256Quantizer.Scalar(row, columns, prepared);
    }

    private static int WholeBlocks(int columns, int blockElements) => columns % blockElements == 0
        ? columns
        : throw new ArgumentOutOfRangeException(nameof(columns), $"{columns} activations are not whole blocks of {blockElements}");
}
