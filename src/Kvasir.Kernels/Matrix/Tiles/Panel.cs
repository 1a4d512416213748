namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Scratch in the first cache level: up to 256 columns of a tile's rows, unpacked so that a 32-bit lane belongs to one row and
/// every activation is used by all lanes at once. A weight block is unpacked once and multiplied by a whole batch.
/// </summary>
internal readonly unsafe struct Panel<TVector>(TVector* start)
    where TVector : unmanaged
{
    public const int Columns = 256;
    private const int CodeVectors = Columns;
    private const int ScaleVectors = Columns / 16;
    private const int MinimumVectors = Columns / 32;

    /// <summary>Vectors that a panel takes.</summary>
    public const int Vectors = CodeVectors + ScaleVectors + MinimumVectors + 2;

    /// <summary>Columns in order: four unsigned bytes, two signed 16-bit numbers or one float per lane.</summary>
    public TVector* Codes => start;

    /// <summary>Blocks of 32: their scales as floats. Blocks of 256: a group's scale twice as 16 bits.</summary>
    public TVector* Scales => start + CodeVectors;

    /// <summary>Blocks of 32: what is added per unit of activation. Blocks of 256: minimums of two groups as 16 bits each.</summary>
    public TVector* Minimums => Scales + ScaleVectors;

    /// <summary>Blocks of 256: the float that multiplies the scales.</summary>
    public TVector* Scale => Minimums + MinimumVectors;

    /// <summary>Blocks of 256: the float that multiplies the minimums.</summary>
    public TVector* Minimum => Scale + 1;
}
