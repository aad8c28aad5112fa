// Types of core/v1: where a pod may run.

extension TypeText {
    static let placement = TypeText(
        package: "io.k8s.api.core.v1",
        #"""
        type Affinity -- Rules about where a pod should run.
          1 nodeAffinity NodeAffinity -- Rules about nodes.
          2 podAffinity PodAffinity -- Rules that bring pods together.
          3 podAntiAffinity PodAntiAffinity -- Rules that keep pods apart.
        type NodeAffinity
          1 requiredDuringSchedulingIgnoredDuringExecution NodeSelector -- Must hold when the pod is placed.
          2 preferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm -- Should hold when the pod is placed; weights decide.
        type NodeSelector -- Terms of which one must hold.
          1 nodeSelectorTerms []NodeSelectorTerm!
        type NodeSelectorTerm -- Requirements that must all hold.
          1 matchExpressions []NodeSelectorRequirement
          2 matchFields []NodeSelectorRequirement
        type NodeSelectorRequirement -- A key, an operator and values.
          1 key string!
          2 operator enum(In|NotIn|Exists|DoesNotExist|Gt|Lt)!
          3 values []string
        type PreferredSchedulingTerm
          1 weight int32!
          2 preference NodeSelectorTerm!
        type PodAffinity
          1 requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm -- Must hold when the pod is placed.
          2 preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm -- Should hold when the pod is placed; weights decide.
        type PodAffinityTerm
          1 labelSelector meta.LabelSelector
          2 namespaces []string
          3 topologyKey string!
          4 namespaceSelector meta.LabelSelector
          5 matchLabelKeys []string
          6 mismatchLabelKeys []string
        type WeightedPodAffinityTerm
          1 weight int32!
          2 podAffinityTerm PodAffinityTerm!
        type PodAntiAffinity
          1 requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm -- Must hold when the pod is placed.
          2 preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm -- Should hold when the pod is placed; weights decide.
        type Toleration -- A taint that the pod can live with.
          1 key string -- Key of the taint; empty with Exists for every taint.
          2 operator enum(Exists|Equal) -- Exists, or Equal (the default).
          3 value string
          4 effect enum(NoSchedule|PreferNoSchedule|NoExecute) -- Effect of the taint; empty for every effect.
          5 tolerationSeconds int64? -- How long a NoExecute taint is tolerated; for ever when left out.
        type TopologySpreadConstraint -- How pods are spread over parts of the cluster.
          1 maxSkew int32! -- By how many pods two parts may differ.
          2 topologyKey string! -- Node label whose values name the parts.
          3 whenUnsatisfiable enum(DoNotSchedule|ScheduleAnyway)! -- DoNotSchedule or ScheduleAnyway.
          4 labelSelector meta.LabelSelector
          5 minDomains int32?
          6 nodeAffinityPolicy enum(Ignore|Honor)?
          7 nodeTaintsPolicy enum(Ignore|Honor)?
          8 matchLabelKeys []string
        type TopologySelectorTerm
          1 matchLabelExpressions []TopologySelectorLabelRequirement
        type TopologySelectorLabelRequirement
          1 key string
          2 values []string
        """#)
}
