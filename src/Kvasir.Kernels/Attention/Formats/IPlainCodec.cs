namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// The least that a way to store rows has to say, for <see cref="RowCodec.Plain"/>. Rows come filled up with zeros to a multiple of 32 elements.
/// </summary>
public interface IPlainCodec
{
    /// <summary>Bytes that a row of <paramref name="elements"/> elements takes.</summary>
    static abstract int RowBytes(int elements);

    /// <summary>Writes all bytes of a row.</summary>
    /// <param name="stored">[RowBytes(row.Length)]</param>
    static abstract void Encode(ReadOnlySpan<float> row, Span<byte> stored);

    /// <summary>Reads a row back. A NaN that was stored must come back as one.</summary>
    /// <param name="stored">[RowBytes(row.Length)]</param>
    static abstract void Decode(ReadOnlySpan<byte> stored, Span<float> row);
}
