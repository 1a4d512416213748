namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>Where the floats of a batch lie: a row each, equally far apart; or nowhere.</summary>
internal readonly unsafe struct AmxRows(float* first, int stride)
{
    public long StrideBytes => (long)stride * sizeof(float);

    public float* Row(int row) => first is null ? null : first + (long)row * stride;
}
