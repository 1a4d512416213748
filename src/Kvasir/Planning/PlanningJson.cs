using System.Text.Json.Serialization;

namespace Kvasir.Planning;

/// <summary>How figures and plans become JSON, and are read again.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(MachineFigures))]
[JsonSerializable(typeof(TierPlan))]
internal sealed partial class PlanningJson : JsonSerializerContext;
