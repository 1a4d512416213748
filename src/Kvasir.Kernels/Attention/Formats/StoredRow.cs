namespace Kvasir.Kernels.Attention.Formats;

/// <summary>A row where it lies.</summary>
/// <param name="codes">Its codes.</param>
/// <param name="scales">Its scales; anything for a format without them.</param>
/// <param name="lower">Its codes in the second plane; anything for a format without one.</param>
internal readonly unsafe struct StoredRow(byte* codes, byte* scales, byte* lower = null)
{
    public byte* Codes => codes;

    public byte* Lower => lower;

    public byte* Scales => scales;
}
