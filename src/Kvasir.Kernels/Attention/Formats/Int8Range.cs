namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Where 256 evenly spaced steps lie (ALISA, arXiv 2403.17312, equation 7, with codes from -128 instead of 0): element = (code - zero) * step. The zero is a
/// whole number and may lie far outside of the codes, so that a range does not have to contain 0.
/// </summary>
/// <param name="Step">1 for a range without width, whose elements have the code 0 and are exact; NaN when an element was none or infinite.</param>
internal readonly record struct Int8Range(float Step, float Zero)
{
    private const int Steps = 255;
    private const int LeastCode = -128;
    private const float SmallestStep = 1.17549435e-38f; // the smallest normal float

    public static Int8Range Of(float least, float most)
    {
        var step = (float)(((double)most - least) / Steps);
        if (!float.IsFinite(step))
            return new Int8Range(float.NaN, 0);
        return step < SmallestStep ? new Int8Range(1, -least) : new Int8Range(step, LeastCode + MathF.Round(-least / step));
    }
}
