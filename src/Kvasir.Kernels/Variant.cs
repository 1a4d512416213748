namespace Kvasir.Kernels;

/// <summary>One form of a kernel: its name, whether this machine can run it, and the code. Tests and benchmarks walk tables of these.</summary>
public readonly record struct Variant<T>(string Name, bool IsSupported, T Run)
{
    public override string ToString() => Name;
}
