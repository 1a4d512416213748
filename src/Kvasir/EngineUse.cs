using Kvasir.Forward;

namespace Kvasir;

/// <summary>While it is not disposed, an <see cref="Engine"/> and its model's weights stay where they are, whoever disposes them.</summary>
internal readonly ref struct EngineUse(Engine engine, ForwardPass pass)
{
    /// <summary>What the engine computes with, for those who drive it in the engine's place.</summary>
    public ForwardPass Pass { get; } = pass;

    public void Dispose() => engine.EndUse();
}
