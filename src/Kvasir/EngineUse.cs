using Kvasir.Forward;

namespace Kvasir;

/// <summary>While it is not disposed, an <see cref="Engine"/> and its model's weights stay where they are, whoever disposes them.</summary>
internal readonly ref struct EngineUse(Engine engine, ForwardPass pass)
{
    /// <summary>What the engine computes with, for those who drive it in the engine's place.</summary>
    public ForwardPass Pass { get; } = pass;

    public void Dispose() => engine.EndUse();

    /// <summary>What ends those who have one under way.</summary>
    public static KvasirException Closed(object disposed)
    {
        var cause = new ObjectDisposedException(disposed.GetType().FullName);
        return new KvasirException(KvasirError.Closed, $"the {(disposed is Engine ? "engine" : "model")} was disposed before the answer was complete", cause);
    }
}
