using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Models.Readers;

/// <summary>
/// Settings that a family's reader has not asked for, and that would change results if they mean what their names say: variants of a family show themselves so,
/// and are refused, not guessed.
/// </summary>
internal static class UnreadSettings
{
    private static readonly string[] Ends = ["_scale", "_scaling", "_multiplier", "_softcapping", "_bias"];

    // In every file: another spelling of what was read, or a setting of training.
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_eps", "norm_epsilon", "norm_topk_prob", "rope_scaling",
        "max_grad_norm",
        "attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon", "expert_weights_norm", "expert_weights_scale", "rope.scale_linear",
    };

    // As JSON: nothing, layers that see everything, and norms that are the usual one.
    private static readonly HashSet<string> Usual = new(StringComparer.Ordinal)
    {
        "\"\"", "\"full_attention\"", "\"attention\"", "\"rms\"", "\"rmsnorm\"", "\"rms_norm\"",
    };

    /// <exception cref="KvasirException">There is one.</exception>
    public static void Refuse(JsonFields fields)
    {
        foreach (var (key, value) in fields.Unread())
        {
            if (IsTelling(key) && !IsNeutral(value))
                throw fields.Unsupported(key, $"is {MessageText.Line(value.GetRawText())}, and nothing here reads it: results would differ");
        }
    }

    /// <inheritdoc cref="Refuse(JsonFields)"/>
    public static void Refuse(GgufKeys keys)
    {
        foreach (var key in keys.Unread())
        {
            if (IsTelling(key) && !IsNeutral(keys, key))
                throw keys.Unsupported(key, "is set, and nothing here reads it: results would differ");
        }
    }

    private static bool IsTelling(string key) => !Harmless.Contains(key)
        && (key is "layer_types" || key.StartsWith("scale_", StringComparison.Ordinal) || key.Contains("norm", StringComparison.Ordinal)
            || Array.Exists(Ends, end => key.EndsWith(end, StringComparison.Ordinal)));

    private static bool IsNeutral(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Number => value.TryGetDouble(out var number) && number is 0 or 1 or -1,
        JsonValueKind.String => Usual.Contains(value.GetRawText()),
        JsonValueKind.Array => value.EnumerateArray().All(static item => Usual.Contains(item.GetRawText())),
        _ => false,
    };

    // 0, 1 and -1 are how tools write none; whatever else a file says is a setting.
    private static bool IsNeutral(GgufKeys keys, string key) => !keys.IsArray(key) && keys.File.Metadata.Describe($"{keys.Architecture}.{key}") switch
    {
        "Bool" => keys.Boolean(key) != true,
        "String" => keys.String(key) is null or "",
        _ => keys.Number(key) is 0 or 1 or -1,
    };
}
