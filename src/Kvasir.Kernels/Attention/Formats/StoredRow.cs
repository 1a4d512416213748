namespace Kvasir.Kernels.Attention.Formats;

/// <summary>A row where it lies.</summary>
/// <param name="codes">Its codes.</param>
/// <param name="scales">Its scales; anything for a format without them.</param>
internal readonly unsafe struct StoredRow(byte* codes, byte* scales)
{
    public byte* Codes => codes;

    public byte* Scales => scales;
}
