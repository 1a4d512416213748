namespace Kvasir;

/// <summary>While it is not disposed, an <see cref="Engine"/> and its model's weights stay where they are, whoever disposes them.</summary>
internal readonly ref struct EngineUse(Engine engine)
{
    public void Dispose() => engine.EndUse();
}
