using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>Writing and reading of single cached rows, by format.</summary>
public static unsafe class KvCodecs
{
    /// <summary>Elements that rows are stored in multiples of; the last block of a row is filled up with zeros.</summary>
    internal const int BlockElements = 32;

    /// <summary>Bytes that a row of <paramref name="dim"/> elements takes, codes and scales; rows are stored as a multiple of 32 elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">dim is not in [1, PagedRows.MaxDim], or the type is none.</exception>
    public static int RowBytes(KvType type, int dim) => Parts(type, dim).Bytes;

    /// <summary>Bytes of a page of as many rows of keys as of values, and of what they share behind them.</summary>
    public static int PageBytes(KvType type, int dim, int pageTokens)
    {
        var shared = type switch
        {
            KvType.Int8 => ChannelBytes(dim),
            KvType.Int8Channel => 2 * ChannelBytes(dim),
            _ => 0,
        };
        return 2 * pageTokens * RowBytes(type, dim) + shared;
    }

    /// <summary>
    /// Stores one row outside of any page, its scales behind its codes; in a page <see cref="PagedRows.Encode"/> does that, or
    /// <see cref="OpenPage"/>. <paramref name="stored"/> has RowBytes(type, row.Length) bytes, of which all are written.
    /// </summary>
    public static void Encode(KvType type, ReadOnlySpan<float> row, Span<byte> stored)
    {
        var parts = Parts(type, row.Length);
        Lengths.RequireEqual(stored.Length, parts.Bytes, nameof(stored));
        fixed (byte* p = stored)
            Encode(type, row, new StoredRow(p, p + parts.CodeBytes));
    }

    /// <summary>Reads such a row back; exact for what was stored.</summary>
    public static void Decode(KvType type, ReadOnlySpan<byte> stored, Span<float> row)
    {
        var parts = Parts(type, row.Length);
        Lengths.RequireEqual(stored.Length, parts.Bytes, nameof(stored));
        fixed (byte* p = stored)
            Decode(type, new StoredRow(p, p + parts.CodeBytes), row);
    }

    /// <summary>What is stored of a row of <paramref name="dim"/> elements.</summary>
    internal static RowParts Parts(KvType type, int dim)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dim, PagedRows.MaxDim);
        return type switch
        {
            KvType.F32 => F32Codec.Parts(dim),
            KvType.BF16 => Bf16Codec.Parts(dim),
            KvType.Q8 => Q8Codec.Parts(dim),
            KvType.Int8 or KvType.Int8Channel => Int8Codec.Parts(dim),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
        };
    }

    /// <summary>Writes all bytes of a row where it lies.</summary>
    internal static void Encode(KvType type, ReadOnlySpan<float> row, StoredRow stored)
    {
        switch (type)
        {
            case KvType.F32: F32Codec.Encode(row, stored); break;
            case KvType.BF16: Bf16Codec.Encode(row, stored); break;
            case KvType.Int8 or KvType.Int8Channel: Int8Codec.Encode(row, stored); break;
            default: Q8Codec.Encode(row, stored); break;
        }
    }

    /// <summary>Reads a row where it lies.</summary>
    internal static void Decode(KvType type, StoredRow stored, Span<float> row)
    {
        Span<float> whole = stackalloc float[BlockCount(row.Length) * BlockElements];
        fixed (float* destination = whole)
        {
            switch (type)
            {
                case KvType.F32: Widen<F32Codec>(stored, BlockCount(row.Length), destination); break;
                case KvType.BF16: Widen<Bf16Codec>(stored, BlockCount(row.Length), destination); break;
                case KvType.Int8 or KvType.Int8Channel: Widen<Int8Codec>(stored, BlockCount(row.Length), destination); break;
                default: Widen<Q8Codec>(stored, BlockCount(row.Length), destination); break;
            }
        }

        whole[..row.Length].CopyTo(row);
    }

    /// <summary>Blocks in a row of <paramref name="dim"/> elements.</summary>
    internal static int BlockCount(int dim) => (dim + BlockElements - 1) / BlockElements;

    /// <summary>Bytes of a step and a zero for every channel.</summary>
    internal static int ChannelBytes(int dim) => 2 * sizeof(float) * BlockCount(dim) * BlockElements;

    /// <summary>Blocks of scales that widening needs room for: it works on eight of them, from the last one backwards.</summary>
    internal static int ScalesRoom(int blockCount) => blockCount + 7;

    private static void Widen<TCodec>(StoredRow stored, int blockCount, float* row)
        where TCodec : struct, IKvCodec
    {
        if (Vector512.IsHardwareAccelerated)
            RowPanel<TCodec, Lanes512, Vector512<float>>.WidenBlocks(stored, blockCount, row, BlockElements);
        else if (Vector256.IsHardwareAccelerated)
            RowPanel<TCodec, Lanes256, Vector256<float>>.WidenBlocks(stored, blockCount, row, BlockElements);
        else if (Vector128.IsHardwareAccelerated)
            RowPanel<TCodec, Lanes128, Vector128<float>>.WidenBlocks(stored, blockCount, row, BlockElements);
        else
            RowPanel<TCodec, Lanes1, float>.WidenBlocks(stored, blockCount, row, BlockElements);
    }
}
