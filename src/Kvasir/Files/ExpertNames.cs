using System.Globalization;

namespace Kvasir.Files;

/// <summary>How a container spells the experts of a layer: all of them in one tensor, the expert its slowest dimension, or each by its number.</summary>
internal sealed record ExpertNames
{
    private const string Number = "{N}";

    public static ExpertNames Gguf { get; } = new()
    {
        Router = "ffn_gate_inp.weight",
        GateUp = "ffn_gate_up_exps.weight",
        Gate = "ffn_gate_exps.weight",
        Up = "ffn_up_exps.weight",
        Down = "ffn_down_exps.weight",
        OneGate = "ffn_gate.{N}.weight",
        OneUp = "ffn_up.{N}.weight",
        OneDown = "ffn_down.{N}.weight",
        SharedGateUp = "ffn_gate_up_shexp.weight",
        SharedGate = "ffn_gate_shexp.weight",
        SharedUp = "ffn_up_shexp.weight",
        SharedDown = "ffn_down_shexp.weight",
        RouterScale = "ffn_gate_inp.scale",
        OutputScales = "ffn_down_exps.scale",
        InputNorm = "pre_ffw_norm_2.weight",
        OutputNorm = "post_ffw_norm_2.weight",
        SharedOutputNorm = "post_ffw_norm_1.weight",
    };

    public static ExpertNames HuggingFace { get; } = new()
    {
        Router = "mlp.gate.weight",
        GateUp = "mlp.experts.gate_up_proj",
        Gate = "mlp.experts.gate_proj",
        Up = "mlp.experts.up_proj",
        Down = "mlp.experts.down_proj",
        OneGate = "mlp.experts.{N}.gate_proj.weight",
        OneUp = "mlp.experts.{N}.up_proj.weight",
        OneDown = "mlp.experts.{N}.down_proj.weight",
        SharedGateUp = "shared_mlp.input_linear.weight",
        SharedGate = "mlp.shared_experts.gate_proj.weight",
        SharedUp = "mlp.shared_experts.up_proj.weight",
        SharedDown = "shared_mlp.output_linear.weight",
        RouterScale = "router.scale",
        OutputScales = "router.per_expert_scale",
        InputNorm = "pre_feedforward_layernorm_2.weight",
        OutputNorm = "post_feedforward_layernorm_2.weight",
        SharedOutputNorm = "post_feedforward_layernorm_1.weight",
    };

    /// <summary>Whether rows of gate and up alternate in <see cref="GateUp"/>, and what lies there are codes, or inputs before outputs.</summary>
    public bool Alternates { get; init; }

    /// <summary>[experts, width].</summary>
    public required string Router { get; init; }

    /// <summary>[experts, 2 x expert width, width]: of each expert the gate's rows first.</summary>
    public required string GateUp { get; init; }

    /// <summary>[experts, expert width, width].</summary>
    public required string Gate { get; init; }

    public required string Up { get; init; }

    /// <summary>[experts, width, expert width].</summary>
    public required string Down { get; init; }

    public required string OneGate { get; init; }

    public required string OneUp { get; init; }

    public required string OneDown { get; init; }

    /// <summary>Of the part that every row goes through beside its experts: rows of gate and up in one matrix.</summary>
    public required string SharedGateUp { get; init; }

    public required string SharedGate { get; init; }

    public required string SharedUp { get; init; }

    public required string SharedDown { get; init; }

    /// <summary>[width]: what the router's own norm is multiplied by, where it has one.</summary>
    public required string RouterScale { get; init; }

    /// <summary>[experts]: what each expert's output is multiplied by.</summary>
    public required string OutputScales { get; init; }

    /// <summary>Of what experts read, where they have norms of their own.</summary>
    public required string InputNorm { get; init; }

    /// <summary>Of what they give.</summary>
    public required string OutputNorm { get; init; }

    /// <summary>Of what the part beside them gives.</summary>
    public required string SharedOutputNorm { get; init; }

    /// <summary>The name of the biases of a matrix, or of all experts' matrices.</summary>
    public static string Bias(string matrices) =>
        matrices.EndsWith(".weight", StringComparison.Ordinal) ? $"{matrices[..^".weight".Length]}.bias" : $"{matrices}_bias";

    /// <summary>The name of one expert's matrix.</summary>
    public static string Of(string one, int expert) => one.Replace(Number, expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
