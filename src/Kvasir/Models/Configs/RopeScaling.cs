namespace Kvasir.Models.Configs;

/// <summary>How rotary angles are stretched beyond the context that a model was first trained with.</summary>
public enum RopeScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Every position is divided by the factor.</summary>
    Linear,

    /// <summary>Low frequencies are divided by the factor, high ones kept, those between blended (Llama 3.1).</summary>
    Llama3,

    /// <summary>YaRN: a ramp over the dimensions between divided and kept, and cosines and sines scaled by the attention factor.</summary>
    Yarn,
}
