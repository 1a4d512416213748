namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// A vector register whose 32-bit lanes belong to consecutive rows of a tile, and what the product kernels do with it. The register has no
/// element type: as in the instruction set, the operation says what it takes the bits for. The kernels are written once over this.
/// </summary>
internal unsafe interface IWordLanes<TVector>
    where TVector : unmanaged
{
    static abstract bool IsSupported { get; }

    /// <summary>Lanes of 32 bits, which is rows of a tile.</summary>
    static abstract int Count { get; }

    /// <summary>Sixteen bytes of each row, at the same offset, as four words: lane r of word j is bytes 4j to 4j + 3 of row r.</summary>
    static abstract void LoadWords(TileRows rows, int offset, out TVector word0, out TVector word1, out TVector word2, out TVector word3);

    static abstract TVector Fill(int value);

    static abstract TVector FillFloat(float value);

    /// <summary>Sixteen-bit numbers, zero extended.</summary>
    static abstract TVector LoadHalves(ushort* source);

    /// <summary>Signed bytes as signed 16-bit numbers, two per lane.</summary>
    static abstract TVector LoadBytesAs16(sbyte* source);

    static abstract TVector And(TVector x, TVector y);

    static abstract TVector Or(TVector x, TVector y);

    static abstract TVector Xor(TVector x, TVector y);

    /// <summary>32-bit lanes, zeros shifted in.</summary>
    static abstract TVector ShiftLeft(TVector x, int bits);

    /// <summary>32-bit lanes, zeros shifted in.</summary>
    static abstract TVector ShiftRight(TVector x, int bits);

    static abstract TVector ShiftLeft16(TVector x, int bits);

    /// <summary>Signed.</summary>
    static abstract TVector ShiftRight16(TVector x, int bits);

    /// <summary>Byte i of every lane becomes the byte that byte i of <paramref name="places"/> names, or zero where that is 128 or more.</summary>
    static abstract TVector PickBytes(TVector x, int places);

    /// <summary>Per 16 bits the sum of two products of unsigned with signed bytes, saturated.</summary>
    static abstract TVector DotBytes(TVector unsigned, TVector signed);

    /// <summary>Per 32 bits the sum of two products of signed 16-bit numbers.</summary>
    static abstract TVector Dot16(TVector x, TVector y);

    static abstract TVector Add16(TVector x, TVector y);

    static abstract TVector Add32(TVector x, TVector y);

    static abstract TVector Subtract32(TVector x, TVector y);

    static abstract TVector Multiply32(TVector x, TVector y);

    /// <summary>Signed 32-bit integers to floats.</summary>
    static abstract TVector ToFloat(TVector x);

    static abstract TVector Multiply(TVector x, TVector y);

    /// <summary>x * y + z, rounded once.</summary>
    static abstract TVector MultiplyAdd(TVector x, TVector y, TVector z);

    /// <summary>z - x * y, rounded once.</summary>
    static abstract TVector MultiplySubtract(TVector x, TVector y, TVector z);

    static abstract TVector Add(TVector x, TVector y);

    static abstract TVector Subtract(TVector x, TVector y);

    /// <summary>All bits set in lanes where x is larger, as signed integers.</summary>
    static abstract TVector IsGreater32(TVector x, TVector y);

    static abstract float SumFloats(TVector x);
}
