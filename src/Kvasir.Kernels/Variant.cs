namespace Kvasir.Kernels;

/// <summary>One form of a kernel: its name, whether this machine can run it, and the code. Tests and benchmarks walk tables of these.</summary>
public readonly record struct Variant<TDelegate>(string Name, bool IsSupported, TDelegate Run)
    where TDelegate : Delegate
{
    public override string ToString() => Name;
}
