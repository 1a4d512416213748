namespace Kvasir.Attention;

/// <summary>A <see cref="SoftmaxSum"/> to be read only: what selectors are shown.</summary>
/// <param name="max">[count]</param>
/// <param name="mass">[count]</param>
/// <param name="output">[count, dim]</param>
public readonly ref struct SoftmaxView(ReadOnlySpan<float> max, ReadOnlySpan<float> mass, ReadOnlySpan<float> output)
{
    /// <inheritdoc cref="SoftmaxSum.Max"/>
    public ReadOnlySpan<float> Max { get; } = max;

    /// <inheritdoc cref="SoftmaxSum.Mass"/>
    public ReadOnlySpan<float> Mass { get; } = mass;

    /// <inheritdoc cref="SoftmaxSum.Output"/>
    public ReadOnlySpan<float> Output { get; } = output;
}
