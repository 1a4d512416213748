namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// One block taken apart. Element i of group g is
/// <c>Scale * Scales[g] * Codes[i] - Minimum * Minimums[g]</c>, multiplied from the left, as the format's definition rounds it.
/// </summary>
internal unsafe struct BlockParts
{
    public const int MaxElements = 256;
    public const int MaxGroups = 16;

    public fixed sbyte Codes[MaxElements];
    public fixed short Scales[MaxGroups];
    public fixed short Minimums[MaxGroups];
    public float Scale;
    public float Minimum;

    /// <summary>For formats whose blocks have one group.</summary>
    public void SetGroup(float scale, float minimum)
    {
        Scale = scale;
        Minimum = minimum;
        Scales[0] = 1;
        Minimums[0] = 1;
    }
}
