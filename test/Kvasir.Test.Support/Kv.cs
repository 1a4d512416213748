using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>A format by its name, for inline data of theories.</summary>
public readonly record struct Kv(string Name)
{
    public static implicit operator Kv(string name) => new(name);

    public static implicit operator KvFormat(Kv kv) => KvFormat.Find(kv.Name) ?? throw new ArgumentException($"there is no format '{kv.Name}'", nameof(kv));

    public override string ToString() => Name;
}
